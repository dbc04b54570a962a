"""A report forged by whoever has the control plane's key: nothing altered, left out or put in."""

import copy

import pytest

from governance.audit import bundles
from governance.audit.standalone import verify
from tests.governance.sealing.test_lineage_bundle import (  # noqa: F401 - fixtures
    ask,
    forged,
    life,
    made,
    packed,
    rules,
    sealed,
    sign,
    told,
    world,
)
from tests.promotion.test_break_glass import judge, live, smash  # noqa: F401 - live: a fixture

pytestmark = pytest.mark.django_db(transaction=True)
MANIFESTS = (
    *("origin", "artifact.inputs", "artifact.outputs", "artifact.score", "artifact.kind"),
    *("artifact.files[].role", "artifact.files[].size", "artifact.manifest.size"),
    *("artifact.inspection.facts", "artifact.inspection.reasons"),
    *("validation.metrics", "inventory.upstream", "inventory.limits", "inventory.optimised_for"),
)
"""What the manifest says: signed with the bundle, and sealed by its digest alone."""
WORDS = (
    *("schema", "header.says", "header.says_not", "header.system", "header.time_source"),
    *("header.verify", "validation.measured_by", "deployment_record.said_by", "controls"),
    *("completeness.imported", "completeness.reconciliation", "retirement[].retired.archive"),
    *("proof.how", "proof.inclusion"),
)
"""What reports say in the same words, whatever the entries are."""
NOT_RECORDED = ("inventory.group", "inventory.latency", "inventory.regimes", "inventory.risk")
"""Of the model's registration, what this story does not record and the product does."""


def places(value, path=(), name=""):
    """Walk a report and yield each place of it once for its kind, with its plain name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key), f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        if value:
            yield path, f"{name}[]"
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index), f"{name}[]")
    else:
        yield path, name


def within(body, path):
    for step in path:
        body = body[step]
    return body


def altered(old):
    if isinstance(old, bool):
        return not old
    return old + 1 if isinstance(old, int | float) else "something else"


def test_nothing_in_it_is_altered_or_left_out_unseen(made):  # noqa: F811
    """Each place, be it put together of many entries: another value, or one row less."""
    document, file, keys = made
    assert told(file, keys).code == verify.PROVEN, told(file, keys).line
    kinds = {}
    for path, name in places(document["body"]):
        if not name.startswith((*MANIFESTS, *WORDS, *NOT_RECORDED)):
            kinds.setdefault(name, path)
    unseen = []
    for name, path in kinds.items():

        def change(body, path=path):
            where = within(body, path[:-1])
            if isinstance(where[path[-1]], list):
                del where[path[-1]][0]
            else:
                where[path[-1]] = altered(where[path[-1]])

        if told(forged(file, change), keys).code != verify.TAMPERED:
            unseen.append(name)
    assert unseen == []
    assert len(kinds) > 300


def row(body, where, index=0):
    return within(body, where.split("."))[index]


def signed(body):
    return next(r["approvals"] for r in body["lifecycle"]["requests"] if r["approvals"])


def closed_by_another_entry(body):
    entry = row(body, "lifecycle.timeline", 3)
    close = {name: entry[name] for name in ("entry", "at", "by")}
    found = row(body, "validation.findings")
    found["closed"] = {**close, "resolution": "it was fixed", "evidence": "none"}


def waived(body):
    entry = row(body, "lifecycle.timeline", 3)
    given = copy.deepcopy(row(body, "dark_evidence.waivers"))
    given |= {name: entry[name] for name in ("entry", "at", "environment")}
    body["dark_evidence"]["waivers"].append(given)


def signed_by_nobody_that_is_named(body):
    del signed(body)[0]["entry"]
    signed(body)[0]["name"] = "Mallory"


def answers_still(body):
    found = next(r for r in body["deployment_record"]["serving"] if r["ended_by"] != "none")
    found |= {"until": "goes on", "ended_by": "none"}


CHEATS = {
    "an approval is left out": (lambda body: signed(body).pop(), "is left out of the report's"),
    "an approval names no entry": (signed_by_nobody_that_is_named, "shape of its kind"),
    "an approval twice": (lambda body: signed(body).append(signed(body)[0]), "each once"),
    "a finding closed by another entry": (closed_by_another_entry, "it is recorded as"),
    "a waiver that nobody gave": (waived, "it is recorded as"),
    "a request is left out": (
        lambda body: body["lifecycle"]["requests"].pop(),
        "is left out of the report's lifecycle.requests",
    ),
    "another order": (
        lambda body: body["lifecycle"]["timeline"].reverse(),
        "lifecycle.timeline is not in the order",
    ),
    "a section less": (lambda body: body.pop("validation"), "lacks its section validation"),
    "a section more": (lambda body: body.update(praise={}), "has a strange section praise"),
    "an interval that goes on": (answers_still, "deployment_record.serving"),
    "of more entries than are sealed": (
        lambda body: body["header"]["log"].update(size=9_999),
        "the report is of 9999 entries",
    ),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_each_of_these_is_named(made, cheat):  # noqa: F811
    _, file, keys = made
    change, words = CHEATS[cheat]
    result = told(forged(file, change), keys)
    assert (result.code, words in result.line) == (verify.TAMPERED, True), result.line


def test_a_report_of_another_kind_is_not_proven(made):  # noqa: F811
    """Else a new name would be enough to have nothing held against the entries."""
    _, file, keys = made

    def change(files):
        text = files["report.json"].decode()
        kind = '"schema": "lockgate.lineage/1"'
        files["report.json"] = text.replace(kind, kind.replace("/1", "/9")).encode()

    result = told(forged(file, lambda body: None, files=change), keys)
    assert (result.code, "does not know" in result.line) == (verify.UNDECIDED, True)


def test_it_says_that_the_page_is_not_what_was_held_against_the_entries(made):  # noqa: F811
    _, file, keys = made
    assert any("report.html" in note for note in told(file, keys).notes)


def test_what_one_person_did_alone_is_proven_with_its_review(live, omar, cleo, ada, sealer, log):  # noqa: F811
    request = smash(omar)
    live.settle()
    judge(request, cleo)
    sealer.round(log)
    known = "".join(f"{key}\n" for key in [*sealer.verifiers(), *bundles.verifier_of_bundles()])
    _, file = packed(ada)
    assert told(file, known).code == verify.PROVEN, told(file, known).line

    def unreviewed(body):
        asked = body["lifecycle"]["requests"][-1]["break_glass"]
        asked["review"] = []
        body["aftermath"]["reviews"] = []

    result = told(forged(file, unreviewed), known)
    assert (result.code, "is left out" in result.line) == (verify.TAMPERED, True), result.line
