"""The canary: a new version answers a share of callers, always the same, before it answers all."""

from lockgate.client import Document
from lockgate.demo.errors import StoryError
from lockgate.demo.people import CI
from lockgate.demo.story.stage import PROD, Stage, wait_until
from lockgate.demo.tally import Tally

SHARE = 0.25
"""What the policy of prod-eu says; see ``lockgate.yaml``."""
LEAST, MOST = 0.1, 0.45
"""Bounds of the share that callers see. A few hundred of them do not hit it exactly."""
AT_ALL = frozenset({"commit", "bake", "retire", "done"})


class Watch:
    """What callers saw from the first moment of the stage to the last."""

    def __init__(self, stage: Stage, request: Document, number: int) -> None:
        self._stage, self._request, self._version = stage, request, str(number)
        self._first: Tally | None = None
        self._last: Tally | None = None

    def is_over(self) -> bool:
        """Look once; tell whether the version was switched to all."""
        tally = self._stage.tally()  # Before the step: what it counts was answered by then.
        found = self._stage.people.client(CI).promotion(self._request["id"])
        if found["state"] in {"failed", "superseded"}:
            raise StoryError(f"the canary of version {self._version} ended: {found['detail']}")
        step = found["rollouts"][0]["step"] if found["rollouts"] else ""
        if step == "stage":
            self._first, self._last = self._first or tally, tally
        return step in AT_ALL

    def counted(self) -> tuple[int, int]:
        """Return the candidate's answers, and those of everybody, while it was one."""
        if self._first is None or self._last is None:
            raise StoryError(f"version {self._version} answered all at once, and no share before")
        answers = {
            version: count - self._first.versions.get(version, 0)
            for version, count in self._last.versions.items()
        }
        return answers.get(self._version, 0), sum(answers.values())


def watch(stage: Stage, request: Document, number: int) -> None:
    """See that a version answers its share beside the champion, until it answers all.

    Raises:
        StoryError: it answered more or fewer than its share.
    """
    seen = Watch(stage, request, number)
    wait_until(seen.is_over, what=f"version {number} answers all callers of {PROD}")
    candidate, everybody = seen.counted()
    if not LEAST * everybody <= candidate <= MOST * everybody:
        raise StoryError(
            f"version {number} answered {candidate} of {everybody} callers as a candidate,"
            f" and not about {SHARE:.0%}"
        )
    stage.tell.say(
        f"canary: version {number} answered {candidate:,} of {everybody:,} callers beside the"
        " champion, the same ones each time; no guard spoke, so it answers all"
    )
