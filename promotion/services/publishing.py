"""Publishes a target's next generation: built, signed and kept in the deciding transaction."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from governance import signing
from governance.audit.actions import Action
from promotion import desired, wake
from promotion.models import DesiredState, Policy, Target
from promotion.policies import Policy as Rules
from promotion.selectors import states
from promotion.services.journal import Journal
from registry.models import ModelVersion


def publish(
    target: Target,
    *,
    cause: str,
    journal: Journal,
    now: datetime,
    may_remove: Iterable[str] = (),
) -> int:
    """Give ``target``, which the caller has locked, its next generation and return that.

    Whatever the decided states say by now is what agents will be told. After
    commit a worker is asked to tell them; without one they poll.

    Raises:
        Conflict: ``history_lost``: agents have applied more than was published here.
    """
    target.refuse_if_lost()
    before = states.document(states.current(target))
    payload = _payload(target, now=now, may_remove=may_remove)
    envelope = signing.sign_envelope(payload, desired.PAYLOAD_TYPE)
    target.generation += 1
    target.save(update_fields=["generation"])
    state = DesiredState.objects.create(
        target=target,
        generation=target.generation,
        sha256=hashlib.sha256(envelope).hexdigest(),
        payload=payload,
        envelope=envelope,
        cause=cause[:200],
        at=now,
    )
    journal.target(Action.STATE_PUBLISHED, target, cause=cause, sha256=state.sha256)
    _tell(target, before=desired.loaded(before), after=desired.loaded(states.document(state)))
    return target.generation


def rules_of(environment_id: UUID, tier: str = "") -> tuple[Policy, Rules] | None:
    """Return the policy that models of ``tier`` follow, as row and as rules, or None.

    That is the tier's newest document, or else the environment's. One query.
    """
    rows = Policy.objects.filter(environment=environment_id, tier__in={tier, ""})
    row = rows.order_by("-tier", "-number").first()
    return (row, Rules.model_validate(row.document)) if row else None


def _payload(target: Target, *, now: datetime, may_remove: Iterable[str]) -> bytes:
    found = rules_of(target.environment_id)
    minimum = found[1].minimum_agents if found else 1
    live = (
        target
        if target.tier == Target.Tier.LIVE
        else Target.objects.filter(environment=target.environment_id, tier=Target.Tier.LIVE).first()
    )
    return desired.TargetState(
        environment=target.environment.slug,
        tier=target.tier,
        generation=target.generation + 1,
        issued_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        keys=[
            {"keyid": signing.keyid(raw), "public": base64.b64encode(raw).decode()}
            for raw in signing.public_keys()
        ],
        models=states.models_of(target, minimum_agents=minimum),
        mirror_fraction=live.mirror_fraction if live else 0.0,
        # A stopped model stays named, for an agent that misses the state that stopped it.
        may_remove={*may_remove, *states.without_champion(target)},
    ).payload()


def _tell(target: Target, *, before: dict[str, str], after: dict[str, str]) -> None:
    changed = {digest for digest, slot in after.items() if before.get(digest) != slot}
    gone = before.keys() - after.keys()
    ids = dict(ModelVersion.objects.filter(digest__in=changed | gone).values_list("digest", "pk"))
    wake.tell(
        target_id=target.pk,
        generation=target.generation,
        load=[ids[digest] for digest in sorted(changed & ids.keys())],
        unload=[ids[digest] for digest in sorted(gone & ids.keys())],
    )
