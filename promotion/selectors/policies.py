"""Policies: what is in force where, one document in words, and what another would change."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from governance.access import Reach
from governance.errors import NotFound
from governance.models import Environment
from promotion import gates, policy_reading, policy_text, waiving
from promotion.gates.facts import Facts
from promotion.models import Approval, Policy, PolicyApproval, PolicyRequest, Request, Waiver
from promotion.policies import Policy as Rules
from promotion.policy_reading import Term, TermChange
from promotion.selectors import timeline
from promotion.selectors.timeline import Event
from promotion.verdicts import GateResult

MOST_TRIED = 200
JUDGED = (Request.Kind.DEPLOY_DARK, Request.Kind.PROMOTE)
"""Kinds of requests that a policy has a say in."""


@dataclass(frozen=True, slots=True)
class Place:
    """One environment: for each tier that has its own rules, and for the rest, what is in force."""

    environment: Environment
    current: list[Policy]
    former: list[Policy]


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """One document, in words, beside the one it followed."""

    policy: Policy
    rules: Rules
    terms: list[Term]
    before: Policy | None
    changes: list[TermChange]
    others: list[Policy]
    in_force: bool

    @property
    def text(self) -> str:
        """The document as one would write it: only what is not by default."""
        return policy_text.write(self.rules.model_dump(mode="json", exclude_defaults=True))

    @property
    def whose(self) -> str:
        return whose(self.policy)

    @property
    def name(self) -> str:
        return f"policy {self.policy.number}"

    @property
    def name_before(self) -> str:
        return f"policy {self.before.number}" if self.before else ""

    @property
    def title(self) -> str:
        """The answer this page gives."""
        quorum = self.rules.quorum("promote")
        persons = {0: "nobody", 1: "one person"}.get(quorum.count, f"{quorum.count} persons")
        risk = f", {quorum.risk} of them for risk," if quorum.risk else ""
        verb = "signs" if quorum.count < 2 else "sign"
        return f"{self.whose}: {persons}{risk} {verb} before a version answers callers"


@dataclass(frozen=True, slots=True)
class Tried:
    """One past request, judged again by other rules from the facts that were stored with it."""

    request: Request
    needed: int
    failing: list[GateResult]
    waived: list[GateResult]
    """Gates that pass only because a risk officer had waived them then."""
    judged: bool

    @property
    def passes(self) -> bool:
        return not self.failing

    @property
    def otherwise(self) -> bool:
        """Whether it would have gone another way than it did."""
        return self.judged and (bool(self.failing) or self.needed != self.request.approvals_needed)


def whose(policy: Policy) -> str:
    """Whose rules a policy holds, in words."""
    tier = f", risk tier {policy.tier}" if policy.tier else ""
    return f"{policy.environment.slug}{tier}"


def places(environments: Iterable[Environment]) -> list[Place]:
    """Every environment's policies, those in force apart. One query."""
    rows: dict[object, list[Policy]] = {place.pk: [] for place in environments}
    for policy in Policy.objects.filter(environment__in=list(rows)).select_related("environment"):
        rows[policy.environment_id].append(policy)
    found = []
    for place in environments:
        newest = {policy.tier: policy for policy in reversed(rows[place.pk])}
        current = sorted(newest.values(), key=lambda policy: policy.tier)
        former = [policy for policy in rows[place.pk] if policy not in current]
        found.append(Place(place, current, former))
    return found


def find(environment: str, number: int) -> Policy:
    """Read one document.

    Raises:
        NotFound: ``unknown_policy``.
    """
    rows = Policy.objects.select_related("environment")
    try:
        return rows.get(environment__slug=environment, number=number)
    except Policy.DoesNotExist:
        message = f"There is no policy {number} of {environment}."
        raise NotFound(message, code="unknown_policy") from None


def policy_page(policy: Policy, *, against: int | None = None) -> PolicyPage:
    """Put one document into words, beside the one before it or the one numbered ``against``."""
    same = Policy.objects.filter(environment=policy.environment_id).select_related("environment")
    others = [one for one in same if one.tier == policy.tier]
    earlier = [one for one in others if one.number < policy.number]
    before = next(iter(earlier), None)
    if against is not None:
        before = next((one for one in same if one.number == against), before)
    rules = Rules.model_validate(policy.document)
    return PolicyPage(
        policy=policy,
        rules=rules,
        terms=policy_reading.terms(rules),
        before=before,
        changes=(
            policy_reading.changes(Rules.model_validate(before.document), rules) if before else []
        ),
        others=others,
        in_force=others[0] == policy,
    )


def try_on_past(
    rules: Rules, environment: Environment, *, tier: str, last: int, seen: Reach
) -> list[Tried]:
    """Judge the last requests of an environment that are seen again, by ``rules``.

    At most three queries.

    Only those that would follow a document of ``tier``: of the models of that tier; or,
    with none, of the models whose tier has no document of its own here.
    """
    rows = Request.objects.filter(seen.rows(), environment=environment, kind__in=JUDGED)
    if tier:
        rows = rows.filter(model__risk_tier=tier)
    else:
        own = Policy.objects.filter(environment=environment).exclude(tier="").values("tier")
        rows = rows.exclude(model__risk_tier__in=own)
    related = rows.select_related("deployment__version", "model", "environment", "policy")
    past = list(related.order_by("-created_at")[: min(last, MOST_TRIED)])
    given = _waivers_for(past, environment) if rules.waivers else {}
    return [_tried(row, rules, given.get(row.deployment.version_id, [])) for row in past]


def _waivers_for(past: list[Request], environment: Environment) -> Mapping[UUID, list[Waiver]]:
    """Waivers of the versions that were asked for, whenever they held."""
    versions = {row.deployment.version_id for row in past}
    found: dict[UUID, list[Waiver]] = defaultdict(list)
    for waiver in Waiver.objects.filter(environment=environment, version__in=versions):
        found[waiver.version_id].append(waiver)
    return found


def _tried(request: Request, rules: Rules, given: list[Waiver]) -> Tried:
    """Judge one again, with the waivers that held when it was asked."""
    stored = request.facts
    judged = bool(stored)
    results = gates.judge(request.kind, Facts.from_document(stored), rules) if judged else []
    results = waiving.applied(
        results, given, policy=rules, persons=request.persons, now=request.created_at
    )
    return Tried(
        request=request,
        needed=rules.quorum(request.kind).count,
        failing=[result for result in results if not result.passes()],
        waived=[result for result in results if result.outcome == "waived"],
        judged=judged,
    )


@dataclass(frozen=True, slots=True)
class PolicyRequestPage:
    """One policy that waits, in words, beside the one it would follow."""

    request: PolicyRequest
    changes: list[TermChange]
    approvals: list[PolicyApproval]
    tried: list[Tried]
    events: list[Event]

    @property
    def otherwise(self) -> list[Tried]:
        return [one for one in self.tried if one.otherwise]

    @property
    def waived(self) -> int:
        """Requests that pass, but not without a risk officer's waiver."""
        return sum(bool(one.waived) and one.passes for one in self.tried)

    @property
    def given(self) -> int:
        return sum(one.decision == Approval.Decision.APPROVE for one in self.approvals)

    @property
    def title(self) -> str:
        """The answer this page gives."""
        row = self.request
        tier = f", risk tier {row.tier}" if row.tier else ""
        place = f"{row.environment.slug}{tier}"
        if row.state != PolicyRequest.State.OPEN:
            return f"Next policy of {place}: {row.state}"
        missing = max(0, row.approvals_needed - self.given)
        return f"Next policy of {place} waits for {missing} approval{'' if missing == 1 else 's'}"

    @property
    def text(self) -> str:
        """The document as one would write it."""
        rules = Rules.model_validate(self.request.document)
        return policy_text.write(rules.model_dump(mode="json", exclude_defaults=True))


def find_request(pk: UUID) -> PolicyRequest:
    """Read one policy request.

    Raises:
        NotFound: ``unknown_policy_request``.
    """
    try:
        return PolicyRequest.objects.select_related("environment", "follows").get(pk=pk)
    except PolicyRequest.DoesNotExist:
        message = "There is no such policy request."
        raise NotFound(message, code="unknown_policy_request") from None


def request_page(request: PolicyRequest, *, last: int, seen: Reach) -> PolicyRequestPage:
    """Put a policy that waits beside the one it would follow, and try it on past requests."""
    rules = Rules.model_validate(request.document)
    approvals = list(request.approvals.all())
    return PolicyRequestPage(
        request=request,
        changes=_changes(request),
        approvals=approvals,
        tried=try_on_past(rules, request.environment, tier=request.tier, last=last, seen=seen),
        events=timeline.of_policy_request(
            request.pk,
            signatures=[one.pk for one in approvals],
            comments=request.comments.values_list("pk", flat=True),
        ),
    )


def _changes(request: PolicyRequest) -> list[TermChange]:
    before = Rules.model_validate(request.follows.document)
    return policy_reading.changes(before, Rules.model_validate(request.document))


def waiting_in(environments: Iterable[Environment]) -> list[PolicyRequest]:
    """Policies that wait for approval. One query."""
    rows = PolicyRequest.objects.filter(
        environment__in=[place.pk for place in environments], state=PolicyRequest.State.OPEN
    )
    return list(rows.select_related("environment", "follows"))


def document_of_request(request: PolicyRequest) -> dict[str, Any]:
    """What the API says of a policy that waits."""
    return {
        "id": str(request.pk),
        "state": request.state,
        "detail": request.detail,
        "environment": request.environment.slug,
        "risk_tier": request.tier,
        "document": request.document,
        "sha256": request.sha256,
        "follows": request.follows.number,
        "changes": [
            {"name": one.name, "before": one.before, "after": one.after}
            for one in _changes(request)
        ],
        "reason": request.reason,
        "requested_by": {"kind": request.requester_kind, "name": request.requester_label},
        "approvals_needed": request.approvals_needed,
        "approvals": [
            {
                "name": one.name,
                "role": one.role,
                "decision": one.decision,
                "comment": one.comment,
                "at": one.at,
            }
            for one in request.approvals.all()
        ],
        "content_hash": request.content_hash,
        "created_at": request.created_at,
        "expires_at": request.expires_at,
    }


def document(policy: Policy) -> dict[str, Any]:
    """What the API says of one policy."""
    return {
        "environment": policy.environment.slug,
        "risk_tier": policy.tier,
        "number": policy.number,
        "sha256": policy.sha256,
        "published_at": policy.at,
        "document": policy.document,
    }


def document_of_trial(tried: Tried) -> dict[str, Any]:
    """What the API says of one past request judged again."""
    request = tried.request
    return {
        "request": str(request.pk),
        "kind": request.kind,
        "model": request.model.name,
        "version": request.deployment.version.number,
        "opened_at": request.created_at,
        "state": request.state,
        "judged": tried.judged,
        "otherwise": tried.otherwise,
        "approvals_needed": {"then": request.approvals_needed, "by_this": tried.needed},
        "failing": [result.as_document() for result in tried.failing],
        "waived": [result.as_document() for result in tried.waived],
    }
