"""A gate passes where a risk officer has waived it: for somebody else, while the waiver holds."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from promotion.policies import Policy
from promotion.verdicts import GateResult


class Given(Protocol):
    """What a waiver tells."""

    pk: UUID
    gate: str
    person: str
    name: str
    reason: str
    at: datetime
    expires_at: datetime


def applied(
    results: Iterable[GateResult],
    given: Collection[Given],
    *,
    policy: Policy,
    persons: Collection[str],
    now: datetime,
) -> list[GateResult]:
    """Return the verdicts with ``waived`` where the policy lets somebody's waiver count.

    Args:
        persons: who asks: none of them waives as well.
        now: when it is asked; what was given later or has ended by then waives nothing.
    """
    if policy.waivers is None:
        return list(results)
    held = [one for one in given if one.at <= now < one.expires_at and one.person not in persons]
    return [_applied(result, held, allowed=policy.waivers.gates) for result in results]


def ended(evidence: Mapping[str, object], *, now: datetime) -> str:
    """Say which waiver that a request stands on has ended by now, or ``""``.

    ``evidence`` is what was frozen when it was asked: a gate that was waived then has
    still not passed, so its request must be carried out before the waiver's end.
    """
    gates = evidence.get("gates")
    for gate in gates if isinstance(gates, list) else []:
        if gate["outcome"] != "waived":
            continue
        facts = gate["facts"]
        until = datetime.fromisoformat(facts["waived_until"])
        if until <= now:
            end = f"{until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            return f"The waiver of {gate['gate']} by {facts['waived_by']} ended at {end}."
    return ""


def _applied(result: GateResult, held: list[Given], *, allowed: Collection[str]) -> GateResult:
    if result.passes() or result.gate not in allowed:
        return result
    waiver = next((one for one in held if one.gate == result.gate), None)
    if waiver is None:
        return result
    return replace(
        result,
        outcome="waived",
        reason=f"{result.reason} Waived by {waiver.name}: {waiver.reason}",
        facts={
            **result.facts,
            "waiver": str(waiver.pk),
            "waived_by": waiver.name,
            "waived_until": waiver.expires_at.isoformat(),
        },
    )
