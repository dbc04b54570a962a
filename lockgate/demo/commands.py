"""``play`` tells the story and stays up; ``check`` tells it, has the last word, and stops.

``cheat`` tells its beginning, and hands over what it takes to cheat.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from lockgate.demo import cheating, story
from lockgate.demo.browser import Browser
from lockgate.demo.errors import StoryError
from lockgate.demo.narrator import print_places
from lockgate.demo.packing import MODEL
from lockgate.demo.people import APPROVER, CI
from lockgate.demo.staging import staged
from lockgate.demo.story import canary
from lockgate.demo.story.opening import agreed
from lockgate.demo.story.stage import PROD, Stage, expect, signed_at
from lockgate.demo.traffic import CALM

STUCK_SECONDS = 10.0
"""A switch to files on the agents' disks that took longer did not come by hint or poll.
The promise is two seconds and stands in the table: a busy machine must not fail the story."""
LOOK_SECONDS = 2.0
PAGES = {
    "/": "what is decided and what answers, by environment",
    f"/models/{MODEL}/versions/2/": "everything about version 2",
    "/audit/": "who did what, when (as ada)",
    "/fleet/": "the agents",
    "/admin/": "the tables, read only (as ada)",
    "/api/schema": "the REST API",
}

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Home = Annotated[Path | None, typer.Option(help="An empty folder, else .lockgate/story.")]
Store = Annotated[str, typer.Option(help="Where artifacts lie: `s3` for moto's server.")]


@app.command()
def play(*, home: Home = None, store: Store = "") -> None:
    """Tell the story of one model's life, and stay up for your turn. Ctrl-C ends it."""
    with staged(home, store=store) as stage:
        story.play(stage)
        stage.tell.print_tables(stage.tally())
        _invite(stage)
        stage.callers().set_rate(CALM)
        _stay(stage)


@app.command()
def check(*, home: Home = None, store: Store = "") -> None:
    """Tell the story, see that all of it is so, approve the last version by the page, and stop."""
    with staged(home, store=store) as stage:
        story.play(stage)
        with stage.tell.step("The last approval, by the page's own form"):
            approve_by_page(stage)
        stage.tell.print_tables(stage.tally())
        assert_story(stage)
        stage.tell.say("stopping")
    stage.tell.say("the story is as told")


@app.command()
def cheat(
    *,
    home: Home = None,
    check: Annotated[bool, typer.Option("--check", help="Play every attack, and stop.")] = False,
    only: Annotated[str, typer.Option(help="Of a check: attacks by name, with commas.")] = "",
) -> None:
    """Hand you a superuser's psql, the sink, the store and an agent's disk. Ctrl-C ends it."""
    attacks = cheating.chosen(only)
    with staged(home, extra=cheating.QUICK) as stage:
        for name, act in story.ACTS[: cheating.ACTS]:
            with stage.tell.step(name):
                act(stage)
        handed = cheating.hand_over(stage, attacks)
        if check:
            cheating.check(stage, handed, attacks)
        else:
            cheating.invite(stage, handed, attacks)
            cheating.stay(stage)


def approve_by_page(stage: Stage) -> None:
    """Sign in, open the page of the waiting request, and sign with its form."""
    person = stage.people[APPROVER]
    with Browser(stage.system.url) as browser:
        browser.sign_in(username=person.name, password=person.password)
        browser.approve(stage.waiting, password=person.password, comment="By the page's form.")
    number = max(stage.versions)
    canary.watch(stage, {"id": stage.waiting}, number)
    answering = stage.callers().wait_all_answer(number, seconds=60)
    decided = signed_at(stage.people.client(CI).promotion(stage.waiting))
    stage.tell.switched(
        f"version {number} approved by the page",
        seconds=answering - decided,
        files="fetched, proved, a canary first",
    )
    stage.wait_done({"id": stage.waiting})
    stage.confirm_champion(PROD, number)


def assert_story(stage: Stage) -> None:
    """Hold the numbers against what is promised.

    Raises:
        StoryError: one of them is worse.
    """
    tally = stage.callers().stop()
    expect(tally.failed, 0, what=f"failed requests ({tally.failures[:3]})")
    expect(set(tally.versions), {"1", "2", "4"}, what="versions that answered")
    for switch in stage.tell.switches:
        if switch.files.startswith("cached") and switch.seconds > STUCK_SECONDS:
            raise StoryError(f"{switch.name} took {switch.seconds:.2f} s, not {STUCK_SECONDS:g}")


def _invite(stage: Stage) -> None:
    url, person = stage.system.url, stage.people[APPROVER]
    number = max(stage.versions)
    places = {url + path: what for path, what in PAGES.items()}
    places[str(stage.reports)] = "the lineage report: a page, JSON, and a bundle"
    say = stage.tell.console.print
    print_places(stage.tell.console, places)
    say(f"\n[bold]Your turn:[/bold] open {url}/promotions/{stage.waiting}/")
    say(f"sign in as [bold]{person.name}[/bold] with [bold]{person.password}[/bold], and approve")
    say(f"version {number}. Callers keep arriving; Ctrl-C stops everything.")


def _stay(stage: Stage) -> None:
    """Stay up, and tell what comes of the visitor's decision."""
    told = "open"
    ci = stage.people.client(CI)
    with suppress(KeyboardInterrupt):
        while True:
            stage.tally()
            stage.system.raise_if_ended()
            found = ci.promotion(stage.waiting)
            if found["state"] != told:
                told = found["state"]
                stage.tell.say(f"your request is {told}. {found['detail']}".rstrip())
                if told == "done":
                    stage.tell.say(f"version {max(stage.versions)} answers, {agreed(stage)}")
            time.sleep(LOOK_SECONDS)
    stage.tell.say("stopping")
