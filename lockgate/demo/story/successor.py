"""A better version takes over from the first, with callers who notice nothing."""

from typing import Any

from lockgate.client import Document
from lockgate.demo import probe
from lockgate.demo.errors import StoryError
from lockgate.demo.packing import MODEL
from lockgate.demo.people import CI, RISK, SECOND_APPROVER, SUBMITTER
from lockgate.demo.story import canary
from lockgate.demo.story.opening import agreed
from lockgate.demo.story.stage import PROD, Stage, Version, expect, wait_until
from lockgate.demo.training import BETTER
from lockgate.errors import ApiError

REASON = "Better on clients neither version has seen"


def goes_dark(stage: Stage) -> None:
    """Train, register, take through qa, and let it score copies."""
    version = stage.register(stage.train(BETTER))
    stage.promote_in_qa(version.number)
    stage.darken(version.number)
    gain = version.trained.auc - stage.versions[1].trained.auc
    if gain <= 0:
        raise StoryError(f"version 2 is no better than version 1 ({gain:+.4f} AUC)")


def switches_in(stage: Stage) -> None:
    """Wait for enough pairs, ask, be refused as its author, be approved by somebody else."""
    compare(stage, 2)
    request = stage.ask(2, PROD, to="production", reason=REASON)
    _author_cannot_sign(stage, request)
    stage.approve(request, by=RISK, comment="Fewer wrong refusals at the same risk.")
    stage.tell.say(f"{RISK} signs as risk officer, for exactly what is shown")
    decided = stage.approve(request, by=SECOND_APPROVER, comment="Better, and quicker.")
    stage.tell.say(f"{SECOND_APPROVER}, a second person, signs: that decides it")
    canary.watch(stage, request, 2)
    answering = stage.callers().wait_all_answer(2, seconds=60)
    stage.tell.switched(
        "version 2 approved", seconds=answering - decided, files="fetched, proved, a canary first"
    )
    # Both are loaded now: the former champion bakes, so that one could switch back at once.
    stage.memory_before = stage.memory()
    stage.wait_done(request)
    stage.confirm_champion(PROD, 2)
    tally = stage.tally()
    expect(tally.failed, 0, what=f"failed requests ({tally.failures[:3]})")
    stage.tell.say(f"version 2 answers in {PROD}, {agreed(stage)}; no request failed")


def first_is_unloaded(stage: Stage) -> None:
    """See that the first version is gone from the agents, and its memory with it."""
    expect(stage.deployment(PROD, 1)["state"], "retired", what="state of version 1")
    agents = stage.live_agents()
    wait_until(
        lambda: all(probe.loaded_versions(url, MODEL) == [2] for url in agents.values()),
        what=f"only version 2 is loaded by {' and '.join(agents)}",
    )
    after = stage.memory()
    for name, before in stage.memory_before.items():
        gained = (before - after[name]) / 1e6
        if gained <= 0:
            raise StoryError(f"{name} took {before:,} bytes with both and takes {after[name]:,}")
        stage.tell.say(
            f"{name} drained and unloaded version 1: {before / 1e6:.0f} MB -> "
            f"{after[name] / 1e6:.0f} MB, {gained:.0f} MB given back"
        )


def compare(stage: Stage, number: int) -> None:
    """Wait until the gates pass, and tell what the pairs say."""
    ci = stage.people.client(CI)
    found: dict[str, Any] = {}

    def enough() -> bool:
        asked = ci.promote(MODEL, number, PROD, to="production", reason=REASON, dry_run=True)
        gates = {gate["gate"]: gate for gate in asked["gates"]}
        before = found.get("dark_pairs", {}).get("reason")
        found.update(gates)
        if not asked["would_pass"] and gates["dark_pairs"]["reason"] != before:
            stage.tell.say(f"gate dark_pairs: {gates['dark_pairs']['reason']}")
        return bool(asked["would_pass"])

    wait_until(enough, what=f"version {number} passes the gates of {PROD}")
    facts = found["dark_pairs"]["facts"]
    stage.tell.say(
        f"compared on {facts['pairs']:,} mirrored transactions: {facts['flips']} decided otherwise,"
        f" scores differ by {facts['mean_absolute_difference']:.3f} on average,"
        f" {facts['errors']} errors"
    )
    stage.tell.say(_aucs(stage.versions[facts["champion"]], stage.versions[number]))


def _aucs(champion: Version, challenger: Version) -> str:
    return (
        f"AUC on held-out clients: version {champion.number} {champion.trained.auc:.4f},"
        f" version {challenger.number} {challenger.trained.auc:.4f}"
    )


def _author_cannot_sign(stage: Stage, request: Document) -> None:
    try:
        stage.approve(request, by=SUBMITTER, comment="I made it, and it is good.")
    except ApiError as error:
        stage.tell.say(f"{SUBMITTER}, who made it, may not sign: {error.detail}")
        return
    raise StoryError(f"{SUBMITTER} made version 2 and could approve it")
