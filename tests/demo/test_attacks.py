"""docs/audit.md lists exactly the ways to cheat that the tests play."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from lockgate.demo.attacks import ATTACKS, Attack

PAGE = Path(__file__).resolve().parents[2] / "docs/audit.md"
BEGIN, END = "<!-- attacks -->\n", "<!-- /attacks -->"


def table(attacks: Iterable[Attack]) -> str:
    lines = ["| what is done | by whom | what names it | within |", "| --- | --- | --- | --- |"]
    for attack in attacks:
        within = f"{attack.seconds} s"
        row = (f"{attack.title} (`{attack.name}`)", attack.power.value, attack.by.value, within)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def test_the_page_lists_the_scripted_attacks():
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    wanted = f"{before}{BEGIN}{table(ATTACKS)}{END}{after}"
    if os.environ.get("LOCKGATE_RATCHET") == "write":
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted, "LOCKGATE_RATCHET=write pytest tests/demo/test_attacks.py"


def test_each_says_what_it_does_and_what_names_it():
    for attack in ATTACKS:
        assert re.fullmatch(r"[a-z-]+", attack.name)
        assert attack.title[0].isupper()
        assert attack.does.endswith("\n")
        re.compile(attack.names)
