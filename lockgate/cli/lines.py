"""What people are told of the service's documents, line by line."""

from collections.abc import Iterable, Iterator

from lockgate.client import Document
from lockgate.walk import by_risk, confirmation_of, progress_of


def of_version(version: Document) -> Iterator[str]:
    """Say how far a version is, and where it runs."""
    reasons = ", ".join(str(reason["code"]) for reason in version.get("reasons", ()))
    yield f"{version['model']} {version['number']}  {version['status']}  {reasons}".rstrip()
    for each in version.get("deployments", ()):
        yield f"  {each['environment']}  {each['state']} {each['role']}".rstrip()


def of_promotion(promotion: Document) -> Iterator[str]:
    """Say where a request stands: gates with remedies, signatures, agents."""
    if "id" in promotion:
        yield f"{promotion['id']}  {promotion['state']}"
        yield (
            f"{promotion['model']} {promotion['version']} in {promotion['environment']}:"
            f" {promotion['from']} -> {promotion['to']}"
        )
    yield from of_gates(promotion["gates"])
    signatures = promotion.get("approvals", ())
    for signature in signatures:
        yield f"  {signature['decision']} by {signature['name']} ({signature['role']})"
    if promotion.get("state") == "open":
        given = sum(each["decision"] == "approve" for each in signatures)
        yield f"  {given} of {promotion['approvals_needed']} approvals{by_risk(promotion)}"
    if promotion.get("state") == "executing":
        yield f"  {progress_of(promotion)}"
    if promotion.get("detail"):
        yield f"  {promotion['detail']}"


def of_gates(gates: Iterable[Document]) -> Iterator[str]:
    """Say each gate's verdict, and what helps against a bad one."""
    for gate in gates:
        words = [gate["gate"], gate["outcome"], gate["reason"], gate["remedy"]]
        yield "  " + "  ".join(str(word) for word in words if word)


def of_environment(environment: Document) -> Iterator[str]:
    """Say what was decided in an environment, and what its agents confirm."""
    yield f"{environment['environment']} ({environment['kind']})"
    for model in environment["models"]:
        champion = model["champion"]
        decided = f"version {champion['version']}" if champion else "no champion"
        verdict = model["live"]["verdict"]
        word = "" if verdict == "confirmed" else f"{verdict}, "
        yield f"  {model['model']}  decided: {decided}  live: {word}{confirmation_of(model)}"
        if beside := ", ".join(_beside(model["decided"])):
            yield f"    beside it: {beside}"
    for agent in environment["agents"]:
        heard = "heard" if agent["heard"] else "silent"
        cordoned = ", cordoned" if agent["cordoned"] else ""
        cordoned = ", evicted" if agent["evicted"] else cordoned
        yield (
            f"  {agent['agent']} ({agent['tier']})"
            f"  generation {agent['generation']}, {heard}{cordoned}"
        )


def _beside(decided: Iterable[Document]) -> Iterator[str]:
    """Say what else is loaded, or kept on disk to be rolled back to."""
    for each in decided:
        if each["state"] in {"dark", "production"} and each["role"] != "champion":
            yield f"version {each['version']} {each['role'] or each['state']}"
        elif each["hold"] == "previous":
            yield f"version {each['version']} kept for a rollback"


def of_walk(walk: Document) -> Iterator[str]:
    """Say how far a version has come through environments."""
    yield f"{walk['model']} {walk['version']}"
    for step in walk["steps"]:
        if step["reached"]:
            word = "live, confirmed" if step["to"] == "production" else step["to"]
        else:
            word = step["state"] or "not yet"
        asked = f"  {step['promotion']}" if step["promotion"] else ""
        yield f"  {step['environment']} ({step['to']})  {word}{asked}"


def of_finding(finding: Document) -> Iterator[str]:
    """Say what is held against which version, who sees to it, and how it was resolved."""
    state = "closed" if finding["closed_at"] else "overdue" if finding["overdue"] else "open"
    blocks = ", blocks" if finding["blocks"] else ""
    yield f"{finding['id']}  {finding['severity']}  {state}{blocks}"
    yield f"  {finding['model']} {finding['version']}: {finding['title']}"
    yield from _of_text(finding["text"])
    yield (
        f"  for {finding['owner']} by {finding['due']}"
        f"  recorded by {finding['recorded_by']} at {finding['recorded_at']}"
    )
    if finding["closed_at"]:
        yield f"  closed by {finding['closed_by']} at {finding['closed_at']}"
        yield from _of_text(finding["resolution"])
        yield from _of_text(finding["evidence"])


def of_incident(incident: Document) -> Iterator[str]:
    """Say what is wrong where, since when, and how it ended."""
    state = "closed" if incident["closed_at"] else "open"
    yield f"{incident['id']}  {incident['severity']}  {state}"
    what = incident["model"] or "everything"
    yield f"  {what} in {incident['environment']}: {incident['title']}"
    yield from _of_text(incident["detail"])
    yield f"  opened by {incident['opened_by']} at {incident['opened_at']}"
    if incident["closed_at"]:
        yield f"  closed by {incident['closed_by']} at {incident['closed_at']}"
        yield from _of_text(incident["resolution"])


def of_agent(agent: Document) -> Iterator[str]:
    """Say whether an agent counts."""
    word = "cordoned" if agent["cordoned"] else "counts"
    for moment in ("evicted", "left", "decommissioned"):
        word = moment if agent[f"{moment}_at"] else word
    yield f"{agent['agent']} in {agent['environment']} ({agent['tier']}): {word}"


def of_spare(spare: Document) -> Iterator[str]:
    """Say what a version is that was named or dropped as spare."""
    kept = ", its files are kept" if spare["hold"] == "previous" else ""
    yield (
        f"{spare['model']} {spare['version']} in {spare['environment']}:"
        f" {spare['role'] or spare['state']}{kept}"
    )


def _of_text(text: str | None) -> Iterator[str]:
    return (f"    {line}" for line in (text or "").splitlines())
