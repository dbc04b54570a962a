"""What must hold at any moment, in the tables; and from the log, at every moment there was."""

import io
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from governance.audit import chain, forging
from governance.audit.models import Entry
from governance.audit.standalone import verify
from promotion.desired import LOADED_SLOTS
from promotion.models import Deployment, DesiredState, Request, Target
from promotion.policies import Policy
from promotion.replay import Event
from promotion.selectors import states
from promotion.selectors.past import events_of
from tests.promotion.replaying import the_log_tells_the_tables

ANSWERS = ("champion", "candidate", "spare")


def tables_hold(known: dict[Any, int]) -> None:
    """Look at what is decided and told now; ``known`` remembers generations between calls."""
    champions = Counter(
        Deployment.objects.filter(role="champion").values_list("model", "environment")
    )
    assert all(count == 1 for count in champions.values())
    assert not Deployment.objects.filter(role__in=["candidate", "bake"]).exclude(
        model__in=[model for model, _ in champions]
    ), "somebody shares with, or bakes beside, nobody"
    for target in Target.objects.select_related("environment"):
        assert target.generation >= known.get(target.pk, 0), "a generation went back"
        known[target.pk] = target.generation
        if state := states.current(target):
            _document_holds(target, state)


def _document_holds(target: Target, state: DesiredState) -> None:
    """Nothing answers but what is in production, and no version stands in two slots."""
    decided = {
        (row.model.name, row.version.digest): (row.state, row.role)
        for row in Deployment.objects.filter(environment=target.environment).select_related(
            "model", "version"
        )
    }
    document: Any = states.document(state)
    assert document["generation"] == target.generation
    for model in document["models"]:
        seen: list[str] = []
        for slot in (*LOADED_SLOTS, "hold"):
            refs = model[slot] if isinstance(model[slot], list) else [model[slot]]
            for ref in filter(None, refs):
                seen.append(ref["digest"])
                if slot in ANSWERS:
                    assert target.tier == "live"
                    assert decided[model["model"], ref["digest"]] == ("production", slot)
        assert len(seen) == len(set(seen)), f"{model['model']}: a version in two slots"


@dataclass(slots=True)
class History:
    """What was so after each transaction, told by the log alone."""

    champions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    signatures: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    promotions: int = 0


def the_log_holds() -> History:
    """Walk the whole log: it is whole, tells the tables, and never told of what must not be."""
    rows = Entry.objects.order_by("seq").select_related("payload")
    stored = [
        chain.Stored(e.seq, e.leaf, e.hash, bytes(e.payload.salt), e.payload.body, {}) for e in rows
    ]
    assert list(chain.faults(stored)) == []
    the_log_tells_the_tables()

    asked = {str(r.pk): r for r in Request.objects.select_related("policy", "replaces")}
    transactions: dict[int, list[Event]] = defaultdict(list)
    xids = dict(Entry.objects.values_list("seq", "xid"))
    for event in events_of(Entry.objects.all()):
        transactions[xids[event.seq]].append(event)
    history = History()
    for events in sorted(transactions.values(), key=lambda told: told[0].seq):
        _transaction_holds(history, events, asked)
    return history


def the_log_proves_itself() -> None:
    """Seal the log, take it away as a bundle, and let the verifier replay it: it says the same."""
    rows = list(Entry.objects.order_by("seq").select_related("payload"))
    lines = [row.leaf.encode() for row in rows]
    beside = [f"{e.seq} {bytes(e.payload.salt).hex()} {e.payload.body}" for e in rows]
    signed = {f"{len(lines):015d}": forging.sealed(lines)}
    made = forging.Bundle(lines, beside, signed, len(lines), {})
    made.report["statements"] = said = forging.statements(made)
    found = verify.verify(io.BytesIO(made.content()), forging.keys_text())
    assert found.code == 0, found.line
    assert {
        (each["model"], each["version"], each["environment"]): (each["state"], each["role"])
        for each in said["deployments"]
    } == {
        (row.model.name, row.version.number, row.environment.slug): (row.state, row.role)
        for row in Deployment.objects.select_related("model", "version", "environment")
    }


def _transaction_holds(history: History, events: list[Event], asked: dict[str, Request]) -> None:
    left: dict[str, Event] = {}
    # After a lost history an operator says what holds: no request asks for it.
    by_hand = any(event.action.startswith("target.history_") for event in events)
    for event in events:
        if event.kind == "approval" and event.action == "request.approved":
            signed = history.signatures[event.request or ""]
            signed[event.text("person")] = event.text("content_hash")
        if event.kind != "deployment" or event.model is None:
            continue
        answering = history.champions[event.model]
        if event.text("role") == "champion":
            answering.add(event.key)
            if event.action == "deployment.promoted" and not by_hand:
                _was_approved(history, asked[event.request or ""])
        elif event.key in answering:
            answering.discard(event.key)
            left[event.model] = event
    for model, answering in history.champions.items():
        assert len(answering) <= 1, f"{model} had two champions at entry {events[-1].seq}"
        if not answering and model in left and not by_hand:
            _may_be_without(asked[left[model].request or ""])


def _may_be_without(request: Request) -> None:
    """Nobody answers only after a stop, or when a first version was refused."""
    assert request.kind == "stop" or request.replaces is None, f"{request} left nobody to answer"


def _was_approved(history: History, request: Request) -> None:
    """As many persons as the policy asks for signed exactly this, none of them involved."""
    history.promotions += 1
    given = history.signatures[str(request.pk)]
    assert all(content == request.content_hash for content in given.values())
    assert not set(given) & set(request.persons)
    needed = Policy.model_validate(request.policy.document).approvals
    assert request.kind == "promote"
    assert len(given) >= request.approvals_needed == needed
