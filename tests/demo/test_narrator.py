import io

from rich.console import Console

from lockgate.demo.narrator import Narrator, print_places
from lockgate.demo.tally import Tally


def _told(narrator):
    return narrator.console.file.getvalue()


def _narrator():
    return Narrator(Console(file=io.StringIO(), width=100, highlight=False, soft_wrap=True))


def test_a_line_has_the_time_and_the_seconds_since_the_last():
    narrator = _narrator()

    narrator.say("version 2 [dark]")

    line = _told(narrator)
    assert line.endswith(" s  version 2 [dark]\n")
    assert line[2] == line[5] == ":"


def test_the_tables_count_what_was_seen():
    narrator = _narrator()
    tally = Tally(sent=1_234, failed=1, gap=0.25, versions={"2": 233, "1": 1_000})
    with narrator.step("A step"):
        narrator.switched("rollback", seconds=0.5, files="cached")

    narrator.print_tables(tally)

    told = _told(narrator)
    for words in ("A step", "rollback", "0.50 s", "cached", "1,234", "250 ms", "1,000"):
        assert words in told
    assert told.index("version 1") < told.index("version 2")


def test_a_place_stays_in_one_piece_however_narrow_the_terminal():
    console = Console(file=io.StringIO(), width=40, soft_wrap=True)

    print_places(console, {"http://127.0.0.1:8000/models/credit-default/versions/2/": "version 2"})

    assert "http://127.0.0.1:8000/models/credit-default/versions/2/" in console.file.getvalue()
