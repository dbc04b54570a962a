"""Which version of a model answered callers at some moment, by what agents had said then.

Of one prediction the decision records tell that agents upload, by its transaction's id. What
nobody can tell is named and not left out, and so is how far was looked.
"""

from promotion.decision_records import Answer, Search
from promotion.replay import UNKNOWN, Agent
from promotion.selectors.past import AsOf, ModelThen

Document = dict[str, object]


def document(found: AsOf, model: str) -> Document:
    """Say who answered with what, who cannot be known, and what was decided."""
    then = next((one for one in found.models if one.model == model), None)
    return {
        "environment": found.environment,
        "model": model,
        "at": found.at,
        "source": "serving intervals",
        "log": {"entries": found.entries, "head": found.head},
        "answered": _answered(then) if then else [],
        "unknown": [
            {"agent": agent.name, "why": why} for agent in found.agents if (why := _unknown(agent))
        ],
        "decided": {"version": then.champion.version, "digest": then.champion.digest}
        if then and then.champion
        else None,
    }


def of_transaction(found: Search) -> Document:
    """Say which version answered one transaction, by the decision records and no guess."""
    return {
        "environment": found.environment,
        "model": found.model,
        "transaction": found.transaction,
        "source": "decision records",
        "answered": [_of_answer(one) for one in found.answers],
        "said": said(found),
        "looked_at": _looked_at(found),
    }


def of_moment_instead(found: Search, then: AsOf) -> Document:
    """Say who answered then, for a transaction that the decision records do not hold."""
    return {
        **document(then, found.model),
        "transaction": found.transaction,
        "said": f"{said(found)} What agents said of that moment is told instead.",
        "looked_at": _looked_at(found),
    }


def said(found: Search) -> str:
    """Put what was found, and what was not, in a sentence."""
    if found.answers:
        versions = sorted({_version(one) for one in found.answers})
        return f"Answered by {' and '.join(versions)}."
    where = f"the decision records of {found.environment}"
    if found.is_whole:
        return f"Not found in {where}."
    return f"Not found in those of {where} that were looked at; not all were."


def _version(answer: Answer) -> str:
    return f"version {answer.version}" if answer.version else "a version nobody registered"


def _of_answer(answer: Answer) -> Document:
    return {
        "at": answer.record.at,
        "version": answer.version,
        "digest": answer.record.digest,
        "score": answer.record.score,
        "latency_ms": answer.record.latency_ms,
        "agent": answer.agent,
        "file": answer.file,
    }


def _looked_at(found: Search) -> Document:
    return {
        "files": found.files,
        "bytes": found.size,
        "uploaded_from": found.since,
        "uploaded_to": found.until,
        "older_left": found.older_left,
        "newer_left": found.newer_left,
        "unreadable": found.unreadable,
    }


def _answered(then: ModelThen) -> list[Document]:
    return [
        {
            "agent": voice.agent.name,
            "version": voice.version,
            "digest": voice.digest,
            "role": voice.role,
            "generation": voice.agent.generation,
            "since": voice.agent.since,
        }
        for voice in then.voices
    ]


def _unknown(agent: Agent) -> str:
    """Say why nobody can tell what an agent answered with; "" when it had told."""
    if agent.tier not in {"live", UNKNOWN}:
        return ""
    if agent.answers is None:
        return "what it said was erased"
    if agent.cordoned and not agent.answers:
        return "it was cordoned or evicted, and tells nothing"
    return ""
