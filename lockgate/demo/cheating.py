"""``make cheat``: a running system, and all it takes to cheat it, by one's own hand.

The watch looks every two seconds here, the sealer every five, and agents hash their files
every three, so that a visitor sees at once what takes up to two minutes as installed.
"""

import html
import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import typer
from rich.markup import escape
from rich.table import Table

from lockgate.demo import handing
from lockgate.demo.attacks import ATTACKS, Attack, By
from lockgate.demo.browser import Browser
from lockgate.demo.errors import StoryError
from lockgate.demo.handing import Handed
from lockgate.demo.people import AUDITOR
from lockgate.demo.story.stage import Stage

QUICK: Final = {
    "WATCH_SECONDS": "2",
    "SEALER_SECONDS": "5",
    "LOCKGATE_AGENT_REHASH_SECONDS": "3",
}
ACTS: Final = 4
"""Of the story: a system, people, a version that answers, callers."""
PAGE: Final = "/audit/watch/"
WITHIN: Final = {By.WATCH: 20.0, By.SINKS: 60.0, By.SEALER: 40.0, By.AGENT: 40.0}
"""Seconds for a check here, on a machine that has much else to do."""
LAST: Final = (
    *("swap-file", "change-digest"),
    *("delete-tail", "restore-backup", "raise-head", "truncate"),
)
"""After these a version, and then the log, is no more what it was: played last, in this order."""
LOOK_SECONDS: Final = 0.5
EXAMPLES: Final = ("edit-entry", "change-policy", "swap-artifact", "change-cache")
_TAG: Final = re.compile(r"<[^>]*>")


def chosen(only: str) -> tuple[Attack, ...]:
    """Return the attacks of these names, or all; what ends a log comes last.

    Raises:
        typer.BadParameter: there is none of a name.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = {attack.name: attack for attack in ATTACKS}
    if unknown := sorted(set(names) - known.keys()):
        message = f"no attack {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        raise typer.BadParameter(message)
    found = [known[name] for name in names] if names else list(ATTACKS)
    rank = {name: place for place, name in enumerate(LAST, start=1)}
    return tuple(sorted(found, key=lambda one: rank.get(one.name, 0)))


def hand_over(stage: Stage, attacks: Iterable[Attack]) -> Handed:
    """Write down what the visitor needs."""
    handed = handing.hand_over(stage.system.home, attacks)
    if handed.psql is None:
        stage.tell.say(f"there is no psql on this machine; any client opens {handed.database}")
    return handed


def invite(stage: Stage, handed: Handed, attacks: Sequence[Attack]) -> None:
    """Say what was handed over, and how to begin."""
    say, person = stage.tell.console.print, stage.people[AUDITOR]
    say()
    say(_table(attacks))
    say("\n[bold]Your turn to cheat.[/bold] What you are handed:")
    say(f"  the database, as its superuser   {escape(str(handed.folder / 'psql'))}")
    for name, what in (("SINK", "the sink"), ("STORE", "the store"), ("AGENT", "eu-1's disk")):
        say(f"  {what:<32} {escape(str(handed.folders[name]))}")
    say("\nFor instance, or whatever you think of:")
    for attack in attacks:
        if attack.name in EXAMPLES:
            say(f"  {escape(' '.join(handed.line(attack)))}")
    say(f"\nSee what is noticed, and how soon: [bold]{stage.system.url}{PAGE}[/bold]")
    say(f"sign in as [bold]{person.name}[/bold] with [bold]{person.password}[/bold]. What is not")
    say("noticed, docs/audit.md says. Callers keep arriving; Ctrl-C stops everything.")


def stay(stage: Stage) -> None:
    """Stay up, and tell what is noticed as it is."""
    told: set[str] = set()
    with suppress(KeyboardInterrupt), Browser(stage.system.url) as browser:
        _sign_in(browser, stage)
        while True:
            stage.system.raise_if_ended()
            seen = set(noticed(browser.read(PAGE)))
            for what in sorted(seen - told):
                stage.tell.say(f"noticed: {what}")
            for what in sorted(told - seen):
                stage.tell.say(f"as it was again: {what}")
            told = seen
            time.sleep(LOOK_SECONDS)
    stage.tell.say("stopping")


def check(stage: Stage, handed: Handed, attacks: Sequence[Attack]) -> None:
    """Play every attack, and see that each is named in time.

    Raises:
        StoryError: one is not, or something is noticed before anything was done.
    """
    with Browser(stage.system.url) as browser:
        _sign_in(browser, stage)
        if idle := noticed(browser.read(PAGE)):
            raise StoryError(f"noticed before anything was done: {idle}")
        for attack in attacks:
            known = set(noticed(browser.read(PAGE)))
            _play(handed.line(attack))
            seconds = _wait_named(browser, attack, known)
            stage.tell.say(f"{attack.name}: named after {seconds:.1f} s")
            if attack.undo:
                _play(handed.undoing(attack))
    stage.tell.say(f"{len(attacks)} ways to cheat, each named")


def noticed(page: str) -> list[str]:
    """Read from the watch's page what is not as it was left."""
    found = re.findall(r'<strong class="wrap">(.*?)</strong>', page, re.DOTALL)
    return [html.unescape(_TAG.sub("", each)) for each in found]


def alarms(page: str) -> str:
    """Read the red bar."""
    bar = re.search(r'<section class="alarms".*?</section>', page, re.DOTALL)
    return html.unescape(_TAG.sub(" ", bar[0])) if bar else ""


def _wait_named(browser: Browser, attack: Attack, known: set[str]) -> float:
    """Wait until it is named, by words that did not stand there before it was done."""
    began = time.monotonic()
    while True:
        page = browser.read(PAGE)
        said = [each for each in noticed(page) if each not in known]
        if attack.by is By.SINKS:  # No entry can be written then: the bar alone says it.
            said.append(alarms(page))
        if any(re.search(attack.names, each) for each in said):
            return time.monotonic() - began
        if time.monotonic() - began > WITHIN[attack.by]:
            raise StoryError(f"{attack.name} is not named; what is: {said}")
        time.sleep(LOOK_SECONDS)


def _play(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoryError(f"{' '.join(command)}: {(done.stdout + done.stderr).strip()}")


def _sign_in(browser: Browser, stage: Stage) -> None:
    person = stage.people[AUDITOR]
    browser.sign_in(username=person.name, password=person.password)


def _table(attacks: Iterable[Attack]) -> Table:
    table = Table(title="Ways to cheat", title_justify="left", box=None, pad_edge=False)
    table.add_column("file", no_wrap=True)
    table.add_column("what it does")
    for attack in attacks:
        table.add_row(attack.name, escape(attack.title))
    return table
