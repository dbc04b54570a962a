"""What goes wrong is refused or taken back, and callers notice none of it."""

from lockgate.demo.packing import MODEL
from lockgate.demo.people import OPERATOR
from lockgate.demo.story.stage import PROD, QA, Stage, expect, read_time

REFUSED = "GOLDEN_MISMATCH"


def bad_version(stage: Stage) -> None:
    """Register version 2's file with version 1's golden transactions: a mix-up in a pipeline."""
    second, first = stage.versions[2], stage.versions[1]
    version = stage.register((second.trained, second.converted), golden=first.converted.golden)
    request = stage.ask(version.number, QA, to="production", reason="CI passed")
    failed = stage.wait_done(request, state="failed")
    steps = [each for rollout in failed["rollouts"] for each in rollout["agents"]]
    reasons = {each["reason"] for each in steps if each["failed_at"]}
    expect(reasons, {REFUSED}, what="why the agent of qa refuses version 3")
    stage.tell.say(f"refused: {failed['detail']}")
    stage.confirm_champion(QA, 2)
    decided = {each["version"] for each in stage.of_model(QA)["decided"]}
    expect(sorted(decided - {1, 2}), [], what="versions decided in qa beside the first two")
    stage.tell.say(f"version 2 answers on in {QA}; version 3 never answered anybody")


def back_and_return(stage: Stage) -> None:
    """Roll back to version 1, whose files the agents kept, and return to version 2."""
    _switch(stage, 1, name="rollback to version 1", reason="Complaints about declined cards")
    _switch(stage, 2, name="return to version 2", reason="The complaints had another cause")
    tally = stage.tally()
    expect(tally.failed, 0, what=f"failed requests ({tally.failures[:3]})")


def _switch(stage: Stage, number: int, *, name: str, reason: str) -> None:
    request = stage.people.client(OPERATOR).rollback(PROD, MODEL, reason=reason, to=number)
    stage.tell.say(f"{OPERATOR}: {name}, because: {reason}")
    answering = stage.callers().wait_all_answer(number, seconds=60)
    seconds = answering - read_time(request["created_at"])
    stage.tell.switched(name, seconds=seconds, files="cached by the agents")
    stage.wait_done(request)
    stage.confirm_champion(PROD, number)
