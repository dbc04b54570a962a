"""What people are told of the service's documents, line by line."""

from collections.abc import Iterable, Iterator

from lockgate.client import Document
from lockgate.walk import confirmation_of, progress_of


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
        yield f"  {len(signatures)} of {promotion['approvals_needed']} approvals"
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
        yield (
            f"  {model['model']}  decided: {decided}"
            f"  live: {model['live']['verdict']}, {confirmation_of(model)}"
        )
    for agent in environment["agents"]:
        heard = "heard" if agent["heard"] else "silent"
        cordoned = ", cordoned" if agent["cordoned"] else ""
        yield (
            f"  {agent['agent']} ({agent['tier']})"
            f"  generation {agent['generation']}, {heard}{cordoned}"
        )


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
