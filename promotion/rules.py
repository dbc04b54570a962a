"""The rules, as pure functions from facts to a verdict.

A rule reads nothing and writes nothing: the caller gathers the facts. That is
what makes a rule testable as a table, and a past verdict reproducible from
the facts stored with it.
"""

from promotion.verdicts import Allowed, Denied, Verdict

LEGAL = frozenset(
    {
        ("trained", "deploy_dark"),
        ("retired", "deploy_dark"),
        ("trained", "promote"),
        ("dark", "promote"),
        ("trained", "break_glass"),
        ("dark", "break_glass"),
        ("trained", "retire"),
        ("dark", "retire"),
    }
)
"""(state, kind of request) that may be asked for. A rollback picks its own deployments."""

KIND_BY_TARGET_STATE = {"dark": "deploy_dark", "production": "promote", "retired": "retire"}


def may_ask(*, state: str, kind: str, is_spare: bool = False) -> Verdict:
    """Whether a deployment in ``state`` can go where a request of ``kind`` leads."""
    if (state, kind) in LEGAL:
        return Allowed()
    if is_spare:
        reason = "It is the spare there; roll back to it, or drop it as spare first."
        return Denied("illegal_transition", reason)
    reasons = {
        ("production", "promote"): "It answers there already.",
        ("dark", "deploy_dark"): "It is dark there already.",
        ("production", "deploy_dark"): "It answers callers there; roll back or promote another.",
        ("production", "retire"): "It answers callers there; promote a successor or roll back.",
        ("production", "break_glass"): "It answers there already.",
        (
            "retired",
            "break_glass",
        ): "It is retired there; roll back, or deploy it dark again first.",
        ("retired", "retire"): "It is retired there already.",
        ("retired", "promote"): "It is retired there; deploy it dark again first.",
    }
    return Denied("illegal_transition", reasons.get((state, kind), f"No way leads from {state}."))


def may_be_spare(
    *, state: str, was_champion: bool, barred: bool, undecided: bool, inspected: bool
) -> Verdict:
    """Whether a version may answer when the champion fails: nothing that is in doubt does."""
    if not was_champion:
        return Denied("not_a_former_champion", "It was never champion here.")
    if state != "retired":
        return Denied("not_retired", f"It is in {state} here; a spare is a retired champion.")
    if barred:
        reason = "It was taken away for good; it returns by a new test and approval only."
        return Denied("barred", reason)
    if undecided:
        reason = "It was taken away by a rollback, and nobody has decided what becomes of it."
        return Denied("waits_for_a_decision", reason)
    if not inspected:
        return Denied("not_inspected", "It has not passed inspection.")
    return Allowed()


def may_approve(
    *, approver: str, involved: frozenset[str], earlier_approvers: frozenset[str]
) -> Verdict:
    """Four eyes: nobody approves what they asked for or made, nor the same request twice.

    All three are persons, not accounts; ``involved`` are requester, token owner and authors.
    """
    if not approver:
        return Denied("a_person", "Only a person can approve.")
    if approver in involved:
        return Denied("four_eyes", "Who asked for this or made it cannot approve it.")
    if approver in earlier_approvers:
        return Denied("one_vote", "This person has already signed this request.")
    return Allowed()


def may_close_finding(
    *, closer: str, recorder: str, owner: str, authors: frozenset[str]
) -> Verdict:
    """Four eyes: nobody finds resolved what they held against it, had to see to, or made.

    All are persons, not accounts.
    """
    if not closer:
        return Denied("a_person", "Only a person can close a finding.")
    if closer == recorder:
        return Denied("four_eyes", "Who recorded a finding cannot close it.")
    if closer == owner:
        return Denied("four_eyes", "Who owns a finding cannot close it.")
    if closer in authors:
        return Denied("four_eyes", "Who made the version cannot close a finding on it.")
    return Allowed()


def still_stands(
    *,
    approvers: frozenset[str],
    valid_approvers: frozenset[str],
    needed: int,
    risk_officers: frozenset[str] = frozenset(),
    risk_needed: int = 0,
    champion_asked: str | None,
    champion_now: str | None,
    policy_asked: int,
    policy_now: int,
    state_asked: str,
    state_now: str,
    waiver_ended: str = "",
) -> Verdict:
    """Whether approvals given earlier still carry the change, checked under lock.

    Args:
        approvers: persons who approved.
        valid_approvers: those of them who could still approve now.
        risk_officers: those of the valid who hold the role risk.
        champion_asked: digest of the champion that was to be replaced, and ``champion_now``
            the one there is; ``None`` where there is none.
        waiver_ended: says which waiver it stands on has ended by now, if one has.
    """
    held = approvers & valid_approvers
    moved = f"The version was {state_asked} when this was asked, and is {state_now} now."
    another = "Another version answers now than when this was asked."
    officers = "Not enough of those who approved are risk officers."
    lapses = (
        (state_asked != state_now, "another_state", moved),
        (champion_asked != champion_now, "another_champion", another),
        (
            policy_asked != policy_now,
            "another_policy",
            "The environment's policy is no longer the same.",
        ),
        (
            len(held) < needed,
            "approvals_lapsed",
            "Not enough of those who approved still could.",
        ),
        (len(held & risk_officers) < risk_needed, "approvals_lapsed", officers),
        (bool(waiver_ended), "waiver_ended", f"{waiver_ended} Ask for it again."),
    )
    for is_so, rule, reason in lapses:
        if is_so:
            return Denied(rule, reason)
    return Allowed()
