"""What a document wants of this very agent, by its tier, labels and name."""

from collections.abc import Callable
from dataclasses import replace

from serving_agent import plan, routing
from serving_agent.documents import Document, ModelDocument
from serving_agent.plan import Wanted
from serving_agent.state import Identity


def wanted_of(document: Document | None, identity: Identity) -> list[Wanted]:
    """List the versions it should have, and what for."""
    if document is None:
        return []
    slots = plan.LOADED_SLOTS[identity.tier] | {plan.HOLD}
    return [
        Wanted(one.model, ref.version, ref.digest, slot)
        for one in document.payload.models
        if one.placement.labels.items() <= identity.labels.items()
        for slot, ref in one.refs()
        if slot in slots
    ]


def rules_of(
    document: Document | None, identity: Identity, *, is_overridden: Callable[[str], bool]
) -> dict[str, routing.Rule]:
    """Say by model who reaches candidate and spare: nobody where this host rolled back."""
    models = document.payload.models if document else []
    return {
        one.model: routing.NOBODY if is_overridden(one.model) else _rule(one, identity)
        for one in models
    }


def _rule(one: ModelDocument, identity: Identity) -> routing.Rule:
    rule = one.switch.rule(identity.name)
    if one.spare is None:
        return rule
    return replace(rule, spare=one.spare.digest, stopped=one.champion is None)
