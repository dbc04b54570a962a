"""Which payloads may be erased: none from which it follows what ran where, or who signed.

The offline verifier replays decisions from the entries, and so does an as-of question.
Without the payload of one of these they could not say any more who answered, and a
signature without a name is none. Everything else may go; statements then say ``unknown``.
"""

NEEDED: tuple[tuple[str, str], ...] = (
    ("deployment.", "From it follows which version answered."),
    ("rollout.", "From it follows how a version came to answer."),
    ("target.", "From it follows what agents were told."),
    ("placement.", "From it follows what ran where."),
    ("state.", "From it follows what agents were told."),
    ("agent.", "From it follows what ran where."),
    ("policy.published", "From it follows which rules held."),
    ("log.", "It tells of the log itself."),
    ("system.", "It tells of the log itself."),
    ("payload.", "It is the proof that a payload was erased."),
    ("erasure.", "It tells who asked for an erasure."),
)
"""Beginnings of actions, and why their payloads stay."""
SIGNATURE = "approval:"
"""Subjects that are signatures."""


def kept_because(*, action: str, subject: str) -> str:
    """Say why the payload of an entry has to stay, or return ``""``."""
    if subject.startswith(SIGNATURE):
        return "It is a signature: without it nobody could tell who approved."
    return next((why for begin, why in NEEDED if action.startswith(begin)), "")
