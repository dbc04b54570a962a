"""One stream that people can read, and logs that stay bounded."""

import io
import re
from pathlib import Path

import pytest

from governance.embedded import stream
from governance.embedded.output import appended, bound
from governance.embedded.stream import Journal, Lines, Stream


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_each_line_says_when_and_who_aligned() -> None:
    out = io.StringIO()
    lines = Stream(out, ["web", "eu-dark"])

    lines.say("web", "listening")
    lines.say("eu-dark", "ready")

    first, second = out.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d web     \| listening", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d eu-dark \| ready", second)


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, coloured, unwanted = io.StringIO(), Terminal(), Terminal()

    Stream(plain, ["web"]).say("web", "x")
    monkeypatch.delenv("NO_COLOR", raising=False)
    Stream(coloured, ["web"]).say("web", "x")
    monkeypatch.setenv("NO_COLOR", "1")
    Stream(unwanted, ["web"]).say("web", "x")

    assert ["\x1b" in each.getvalue() for each in (plain, coloured, unwanted)] == [
        False,
        True,
        False,
    ]


def test_nobody_moves_the_cursor_of_who_watches() -> None:
    out = io.StringIO()

    Stream(out, ["eu-1"]).say("eu-1", "\x1b[2J\x1b[1;31mred\x1b[0m\x07\r\x9b2J\ttab")

    assert out.getvalue().endswith("| red2J\ttab\n")


def test_a_reader_that_has_gone_stops_nothing() -> None:
    Stream(Closed(), ["web"]).say("web", "anybody there?")


@pytest.mark.parametrize("cut", range(1, 12))
def test_lines_come_whole_however_they_arrive(cut: int) -> None:
    lines, content = Lines(), "één\ntwo\r\nthree".encode()

    pieces = [content[i : i + cut] for i in range(0, len(content), cut)]
    found = [line for piece in pieces for line in lines.feed(piece)]

    assert [*found, *lines.end()] == ["één", "two", "three"]


def test_a_line_that_never_ends_is_cut() -> None:
    lines = Lines()

    found = [line for _ in range(40) for line in lines.feed(b"x" * 1000)]

    assert found
    assert max(map(len, found)) <= stream.LINE_BYTES


def test_a_journal_keeps_two_files_of_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LOG_BYTES", 1000)
    journal = Journal(tmp_path / "web.log")

    for number in range(100):
        journal.write(b"line %03d of many lines\n" % number)
    journal.close()

    sizes = {each.name: each.stat().st_size for each in tmp_path.iterdir()}
    assert set(sizes) == {"web.log", "web.log.1"}
    assert max(sizes.values()) <= 1000
    assert (tmp_path / "web.log").read_bytes().endswith(b"line 099 of many lines\n")


def test_a_disk_that_is_full_loses_lines_and_stops_nothing() -> None:
    journal = Journal(Path("/dev/full"))

    journal.write(b"lost\n")
    journal.close()


def test_a_server_that_appends_goes_on_after_its_log_was_cut(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_bytes(b"x" * 5_000_000)

    with log.open("ab", buffering=0) as server:
        bound(log)
        server.write(b"FATAL: after\n")

    assert log.read_bytes() == b"FATAL: after\n"
    assert (tmp_path / "postgres.log.1").stat().st_size == 5_000_000


def test_last_words_are_of_this_start_only(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text("FATAL: of yesterday\n")

    with appended(log) as output:
        output.file.write(b"LOG: starting\n2026-11-20 UTC [7] FATAL:  of today\nHINT: none\n")
        output.file.flush()
        assert output.last_words() == "FATAL:  of today"
