"""What an inspection found: reasons to reject, and facts worth keeping."""

from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_REASONS = 20
_LONGEST = 300


class NotTextError(Exception):
    """A name is not UTF-8. Protobuf hands such names out as bytes."""


def require_text(names: Iterable[object]) -> None:
    """Let names pass that are text.

    Raises:
        NotTextError: one is not.
    """
    if not all(isinstance(name, str) for name in names):
        raise NotTextError


@dataclass(slots=True)
class Findings:
    """Reasons have stable codes; without any, the version is ready."""

    reasons: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)

    def reject(self, code: str, detail: str) -> None:
        """Add a reason. Beyond a number they would only repeat themselves."""
        reason = {"code": code, "detail": shown(detail)}
        if len(self.reasons) < MOST_REASONS and reason not in self.reasons:
            self.reasons.append(reason)


def shown(text: str, *, limit: int = _LONGEST) -> str:
    """Make a stranger's text safe to store and show: cut, and escaped where not printable."""
    cut = text[:limit] + ("..." if len(text) > limit else "")
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut
    )
