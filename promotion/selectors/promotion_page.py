"""One request: what it changes, on what evidence, who signed, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from governance.errors import NotFound
from promotion.comparison import Difference, compare
from promotion.models import Approval, DarkTally, Deployment, Finding, Request, Review
from promotion.policies import Missing
from promotion.selectors import approvers, findings, timeline
from promotion.selectors.model_page import may_return
from promotion.selectors.progress import Progress, progress
from promotion.selectors.tallies import Tally, tallies_of
from promotion.selectors.timeline import Event
from registry.models import ModelVersion

SHAPES: Mapping[str, str] = {
    "passed": "passed",
    "failed": "failed",
    "inconclusive": "waiting",
    "not_applicable": "excused",
    "waived": "waived",
}
VERDICTS: Mapping[str, str] = {
    "passed": "passed",
    "failed": "failed",
    "inconclusive": "waiting",
    "not_applicable": "does not apply",
    "waived": "waived",
}
GATES: Mapping[str, str] = {
    "inspected": "Files inspected",
    "lower_environment": "Answers in the environments before",
    "dark_first": "Dark first",
    "dark_pairs": "Compared on real traffic",
    "golden": "Golden transactions",
    "inputs": "Callers can call it",
    "metrics": "Metrics",
    "live_hours": "Answered long enough elsewhere",
    "documentation": "Documented",
    "attested": "Attested by others",
    "data_age": "Age of the data",
    "pipeline": "Same pipeline",
    "dark_comparison": "Decides nearly the same",
    "latency": "Latency budget",
    "memory": "Fits in memory",
    "dark_limit": "Room for another dark version",
    "frozen": "No freeze",
    "no_open_incident": "No open incident",
    "no_open_findings": "No open finding",
}


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate's frozen verdict."""

    name: str
    outcome: str
    verdict: str
    shape: str
    reason: str
    remedy: str
    facts: list[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class PromotionPage:
    """Everything the page of one request shows."""

    request: Request
    version: ModelVersion
    replaces: ModelVersion | None
    difference: Difference | None
    gates: list[GateRow]
    tally: Tally | None
    approvals: list[Approval]
    findings: list[Finding]
    """Open ones on the version, and its conditions."""
    progress: Progress
    events: list[Event]
    sentence: str
    may_roll_back: bool
    """A rollback may bring a former champion back here, or end a candidate's share."""

    @property
    def title(self) -> str:
        """The answer this page gives."""
        row, place = self.request, self.request.environment.slug
        what = f"{row.model.name} {self.version.number}"
        leads: Mapping[str, str] = {
            Request.Kind.DEPLOY_DARK: f"{what} \N{RIGHTWARDS ARROW} dark in {place}",
            Request.Kind.RETIRE: f"{what} \N{RIGHTWARDS ARROW} retired in {place}",
            Request.Kind.ROLLBACK: f"{what} \N{RIGHTWARDS ARROW} back in {place}",
            Request.Kind.STOP: f"{what} stopped in {place}",
            Request.Kind.BREAK_GLASS: f"{what} \N{RIGHTWARDS ARROW} {place}, break-glass",
        }
        lead = leads.get(row.kind, f"{what} \N{RIGHTWARDS ARROW} {place}")
        instead = f", replaces {self.replaces.number}" if self.replaces else ""
        return f"{lead}{instead}: {self.standing}"

    @property
    def standing(self) -> str:
        """Where the request stands, in words."""
        if self.request.state == Request.State.OPEN:
            return f"waits for {self.missing.words}"
        if self.request.state == Request.State.EXECUTING and self.progress.rollout:
            return f"under way, step {self.progress.rollout.step_name.replace('-', ' ')}"
        return str(self.request.state)

    @property
    def review(self) -> Review | None:
        """What a second person said of it, where one acted alone."""
        return getattr(self.request, "review", None)

    @property
    def approvals_given(self) -> int:
        return sum(one.decision == Approval.Decision.APPROVE for one in self.approvals)

    @property
    def missing(self) -> Missing:
        """The signatures it still waits for, by role."""
        return approvers.missing(self.request, self.approvals)

    def after(self, role: str) -> Missing:
        """What would still be missing once somebody has approved it in ``role``."""
        given = [one.role for one in self.approvals if one.decision == Approval.Decision.APPROVE]
        return approvers.quorum_of(self.request).missing(
            given=len(given) + 1, as_risk=[*given, role].count("risk")
        )

    @property
    def counts(self) -> str:
        """Gates by verdict: ``11 passed, 1 waiting, 0 failed``."""
        outcomes = [gate.verdict for gate in self.gates]
        words = [f"{outcomes.count(word)} {word}" for word in ("passed", "waiting", "failed")]
        if "waived" in outcomes:
            words.append(f"{outcomes.count('waived')} waived")
        return ", ".join(words)


def promotion_page(pk: UUID) -> PromotionPage:
    """Read one request with everything around it.

    Raises:
        NotFound: no such request.
    """
    request = find(pk)
    version = request.deployment.version
    return PromotionPage(
        request=request,
        version=version,
        replaces=request.replaces,
        difference=_difference(request),
        gates=gates(request.evidence),
        tally=_tally(request),
        approvals=list(request.approvals.select_related("user")),
        findings=[
            one
            for one in findings.of_version(version)
            if one.is_open() or one.condition_of_id == request.pk
        ],
        progress=progress(request),
        events=timeline.of_request(request.pk),
        sentence=signed_sentence(request),
        may_roll_back=any(
            may_return(row) or row.role == Deployment.Role.CANDIDATE
            for row in Deployment.objects.filter(
                model=request.model_id, environment=request.environment_id
            )
        ),
    )


def find(pk: UUID) -> Request:
    """Read one request with its version, what it replaces and its policy.

    Raises:
        NotFound: no such request.
    """
    rows = Request.objects.select_related(
        "deployment__version", "model", "environment", "policy", "replaces", "review"
    )
    try:
        return rows.get(pk=pk)
    except Request.DoesNotExist:
        message = "There is no such promotion."
        raise NotFound(message, request_id=str(pk)) from None


def signed_sentence(request: Request) -> str:
    """What an approver puts a name to, in words."""
    version, place = request.deployment.version, request.environment.slug
    named = f"{request.model.name} version {version.number} (sha256 {version.digest[:12]})"
    under = f"under policy {request.policy.number}"
    other = request.replaces
    old = f"version {other.number} (sha256 {other.digest[:12]})" if other else ""
    if request.kind == Request.Kind.DEPLOY_DARK:
        return f"{named} may score copies of transactions in {place}, and answer nobody, {under}."
    if request.kind == Request.Kind.RETIRE:
        return f"{named} may be retired in {place}, and answer nobody there, {under}."
    if request.kind == Request.Kind.ROLLBACK:
        return f"{named} answers callers in {place} again{f', instead of {old}' if old else ''}."
    if request.kind == Request.Kind.STOP:
        return f"{named} answers nobody in {place} any more, and no other version does."
    if old:
        return f"{named} may replace {old} in {place} {under}."
    return f"{named} may be the first version to answer callers in {place} {under}."


def gates(evidence: Mapping[str, object]) -> list[GateRow]:
    """The frozen verdicts, as rows; what has another form is left out."""
    stored = evidence.get("gates")
    rows = stored if isinstance(stored, list) else []
    return [_gate(row) for row in rows if isinstance(row, Mapping)]


def _gate(row: Mapping[str, object]) -> GateRow:
    name, outcome = str(row.get("gate", "")), str(row.get("outcome", ""))
    facts = row.get("facts")
    return GateRow(
        name=GATES.get(name, name.replace("_", " ")),
        outcome=outcome,
        verdict=VERDICTS.get(outcome, outcome),
        shape=SHAPES.get(outcome, "unknown"),
        reason=str(row.get("reason", "")),
        remedy=str(row.get("remedy", "")),
        facts=sorted(facts.items()) if isinstance(facts, Mapping) else [],
    )


def _difference(request: Request) -> Difference | None:
    """What changes against what answers; nothing to compare for the first version."""
    version = request.deployment.version
    if request.replaces is None or request.replaces_id == version.pk:
        return None
    return compare(
        request.replaces.manifest,
        version.manifest,
        optimising=request.model.optimising_metric,
        higher_is_better=request.model.optimising_direction == "max",
    )


def _tally(request: Request) -> Tally | None:
    """How the version scored beside the champion it would replace."""
    found = tallies_of(
        DarkTally.objects.filter(
            version=request.deployment.version_id, environment=request.environment_id
        )
    )
    same = [one for one in found if one.row.champion_id == request.replaces_id]
    return next(iter(same or found), None)
