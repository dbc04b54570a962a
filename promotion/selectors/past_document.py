"""An environment at some moment, as the API says it."""

from promotion.replay import UNKNOWN, Agent, Deployment, Request
from promotion.selectors.past import AsOf, ModelThen, Voice

Document = dict[str, object]


def document(found: AsOf) -> Document:
    """Put what was decided, confirmed and by whom into one document."""
    return {
        "environment": found.environment,
        "at": found.at,
        "log": {"entries": found.entries, "head": found.head},
        "targets": [
            {"tier": t.tier, "generation": t.generation, "sha256": t.sha256}
            for t in sorted(found.past.targets.values(), key=lambda t: t.tier, reverse=True)
        ],
        "models": [_of_model(model, found) for model in found.models],
        "agents": [_of_agent(agent) for agent in found.agents],
        "requests": {key: _of_request(row) for key, row in sorted(found.requests.items())},
        "erased": found.past.erased,
    }


def _of_model(model: ModelThen, found: AsOf) -> Document:
    champion = model.champion
    return {
        "model": model.model,
        "champion": _ref(champion) if champion else None,
        "decided": [
            _of_deployment(row) for row in (*model.slots.values(), *model.darks, *model.unknown)
        ],
        "confirmed": {
            "by": [voice.agent.name for voice in model.confirmed],
            "of": len(found.asked_of(model.model)),
        },
        "answering": [_of_voice(voice) for voice in model.voices],
    }


def _ref(row: Deployment) -> Document:
    return {"version": row.version, "digest": row.digest}


def _of_deployment(row: Deployment) -> Document:
    return {
        **_ref(row),
        "state": row.state,
        "role": row.role,
        "since": row.since,
        "entry": row.entry,
        "request": row.request,
        "why": row.why,
    }


def _of_voice(voice: Voice) -> Document:
    return {
        "agent": voice.agent.name,
        "version": voice.version,
        "digest": voice.digest,
        "role": voice.role,
        "since": voice.agent.since,
        "generation": voice.agent.generation,
        "cordoned": voice.agent.cordoned,
    }


def _of_agent(agent: Agent) -> Document:
    said: object = UNKNOWN
    if agent.answers is not None:
        said = [{"model": a.model, "digest": a.digest, "role": a.role} for a in agent.answers]
    return {
        "agent": agent.name,
        "tier": agent.tier,
        "cordoned": agent.cordoned,
        "answers": said,
        "since": agent.since,
        "generation": agent.generation,
    }


def _of_request(row: Request) -> Document:
    return {
        "kind": row.kind,
        "state": row.state,
        "by": row.by,
        "reason": row.reason,
        "ticket": row.ticket,
        "opened_at": row.opened_at,
        "entry": row.entry,
        "approvals": [
            {
                "name": one.name,
                "role": one.role,
                "decision": one.decision,
                "meaning": one.meaning,
                "comment": one.comment,
                "at": one.at,
                "entry": one.entry,
            }
            for one in sorted(row.approvals.values(), key=lambda one: one.entry)
        ],
    }
