"""Which version of a model answered callers at some moment, by what agents had said then.

Of one prediction the decision records tell that agents upload, by its transaction's id; here
it is told of a moment. What nobody can tell is named and not left out.
"""

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
