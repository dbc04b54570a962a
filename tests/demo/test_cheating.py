"""What ``make cheat`` hands over, what it reads back, and how it is called."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from lockgate.demo import cheating, handing
from lockgate.demo.attacks import ATTACKS, By, Power

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path):
    """A home with a space in its name, and a server's record in it."""
    folder = tmp_path / "a home"
    (folder / "run").mkdir(parents=True)
    url = "postgresql://postgres@/postgres?host=%2Ftmp%2Fsockets"
    (folder / "run" / "postgres.json").write_text(json.dumps({"superuser_url": url}))
    return folder


def test_every_attack_is_a_file_to_paste_or_to_run(home):
    handed = handing.hand_over(home, ATTACKS)
    for attack in ATTACKS:
        command = handed.line(attack)
        assert attack.does in Path(command[-1]).read_text()
        assert (command[0] == "sh") == (attack.power is not Power.DATABASE)
        assert not attack.undo or Path(handed.undoing(attack)[-1]).read_text() == attack.undo
    assert handed.database == "postgresql://postgres@/lockgate?host=%2Ftmp%2Fsockets"
    psql = handed.folder / "psql"
    assert os.access(psql, os.X_OK)
    assert f"-X '{handed.database}'" in psql.read_text()


def test_what_is_for_a_shell_says_where(home):
    handed = handing.hand_over(home, ATTACKS)
    (home / "checkpoints").mkdir()
    note = home / "checkpoints" / "1.note"
    note.write_text("time 2026\n")
    [attack] = cheating.chosen("edit-sink")
    subprocess.run(handed.line(attack), check=True)
    assert note.read_text() == "time 1926\n"


def test_psql_comes_with_the_embedded_server():
    psql = handing.find_psql()
    assert psql is not None
    said = subprocess.run([psql, "--version"], capture_output=True, text=True, check=True)
    assert "PostgreSQL" in said.stdout


def test_what_ends_the_log_is_played_last():
    names = [attack.name for attack in cheating.chosen("")]
    assert len(names) == len(ATTACKS)
    assert tuple(names[-6:]) == cheating.LAST
    assert [one.name for one in cheating.chosen("truncate, grant")] == ["grant", "truncate"]


def test_an_attack_that_is_none_is_refused():
    with pytest.raises(typer.BadParameter, match="no attack bribe; there are"):
        cheating.chosen("grant,bribe")


def test_there_is_a_time_for_whoever_names_it():
    assert set(cheating.WITHIN) == set(By)


def test_the_page_is_read_as_people_read_it():
    page = (
        '<section class="alarms" aria-label="x"><ul><li><b>audit log</b> 5 entries</li></ul>'
        '</section><strong class="wrap">entry 5: it&#x27;s other</strong><strong>no</strong>'
    )
    assert cheating.noticed(page) == ["entry 5: it's other"]
    assert "5 entries" in cheating.alarms(page)
    assert cheating.alarms("<p>all is well</p>") == ""


def test_the_command_refuses_before_anything_is_started(tmp_path):
    home = tmp_path / "home"
    command = [sys.executable, "-m", "lockgate.demo", "cheat", "--check", "--only", "bribe"]
    done = subprocess.run(
        [*command, "--home", str(home)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no attack bribe" in done.stdout + done.stderr
    assert not home.exists()


@pytest.mark.parametrize(
    ("asked", "command"),
    [
        (["cheat"], "-m lockgate.demo cheat"),
        (["cheat-check"], "-m lockgate.demo cheat --check"),
        (["cheat-check", "ONLY=grant,rule"], "-m lockgate.demo cheat --check --only grant,rule"),
    ],
)
def test_the_make_targets_call_it(asked, command):
    said = subprocess.run(
        ["make", "-n", *asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip().splitlines()[-1].strip().endswith(command)
