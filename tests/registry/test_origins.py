"""Where a version comes from is kept with it, and what comes later overrides nothing."""

import threading
from copy import deepcopy
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.errors import Conflict, Invalid
from registry import selectors
from registry.manifests import Attested
from registry.models import Attestation, DatasetUse, ModelVersion, ParentLink
from registry.services import origins, registered_models
from registry.services.attestations import attest
from registry.services.registered_models import Description
from registry.services.versions import register_version

pytestmark = pytest.mark.django_db
OTHER = "ef" * 32


@pytest.fixture
def register(model, uploaded, manifest, encode, asha):
    """Register the next version, changed a little each time."""
    made = []

    def register(**changes):
        made.append(None)
        seeded = {**deepcopy(manifest), "metrics": {"n": len(made)}, **changes}
        return register_version(model=model, manifest=encode(seeded), actor=asha).version

    return register


def lineage(version, actor, **document):
    return attest(version=version, kind="lineage", document=document, actor=actor)


def parent(version, relation="retrained", **changes):
    return {"model": version.model.name, "version": version.number, "relation": relation, **changes}


def test_a_manifests_data_sets_are_kept_with_the_version(register):
    version = register()

    [use] = version.dataset_uses.all()
    assert (use.name, use.digest, use.attestation) == ("credit-2005", "cd" * 32, None)
    assert use.begins == datetime(2005, 4, 1, tzinfo=UTC)
    assert use.ends == datetime(2005, 9, 30, 23, 59, 59, tzinfo=UTC)


def test_a_day_that_ends_a_range_belongs_to_it(register, manifest):
    manifest["datasets"][0] |= {"to": "2005-09-30", "licence": "CC BY 4.0", "version": "2"}
    [use] = register().dataset_uses.all()

    assert use.ends == datetime(2005, 9, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    assert (use.licence, use.edition) == ("CC BY 4.0", "2")


@pytest.mark.parametrize(
    "named", [{"version": 1}, {"digest": True}, {"version": 1, "digest": True}]
)
def test_a_parent_is_found_by_its_number_or_its_digest(register, named):
    first = register()
    named = {name: first.digest if value is True else value for name, value in named.items()}
    child = register(parents=[{"model": "credit-default", "relation": "fine_tuned", **named}])

    [link] = child.parent_links.all()
    assert (link.parent, link.relation, link.attestation) == (first, "fine_tuned", None)


@pytest.mark.parametrize(
    "named",
    [
        {"model": "credit-default", "version": 2},  # Its own number, or a later one.
        {"model": "credit-default", "version": 2**31 - 1},
        {"model": "credit-default", "version": 1, "digest": OTHER},
        {"model": "somebody-elses", "version": 1},
    ],
)
def test_a_parent_that_is_not_there_is_refused_by_name(register, named):
    register()
    with pytest.raises(Invalid) as refusal:
        register(parents=[{"relation": "derived", **named}])

    assert refusal.value.code == "unknown_parent"
    assert refusal.value.context == {"parents[0]": "names no version that is there"}
    assert ModelVersion.objects.count() == 1


def test_a_parent_that_one_may_not_see_is_as_one_that_is_not_there(
    register, make_person, manifest, encode, uploaded, ada
):
    secret = register()
    eva = make_person("eva", "submitter", group="cards").actor
    cards = registered_models.register_model(
        name="cards", description=Description("Cards", "Score.", group="cards"), actor=eva
    )
    manifest |= {"model": "cards", "parents": [parent(secret)]}
    with pytest.raises(Invalid) as refusal:
        register_version(model=cards, manifest=encode(manifest), actor=eva)

    assert refusal.value.code == "unknown_parent"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([{"model": "credit-default", "relation": "derived"}], "parents[0]"),
        ([{"model": "Credit", "version": 1, "relation": "derived"}], "parents[0].model"),
        ([{"model": "a", "version": 0, "relation": "derived"}], "parents[0].version"),
        ([{"model": "a", "version": 1.0, "relation": "derived"}], "parents[0].version"),
        ([{"model": "a", "version": 2**31, "relation": "derived"}], "parents[0].version"),
        ([{"model": "a", "version": 1, "relation": "cloned"}], "parents[0].relation"),
        ([{"model": "a", "digest": "AB" * 32, "relation": "derived"}], "parents[0].digest"),
        ([{"model": "a", "version": 1, "relation": "derived"}] * 2, "parents[1]"),
        ({}, "parents"),
        ([{"model": "a", "version": 1, "relation": "derived"}] * 101, "parents"),
    ],
)
def test_parents_that_are_none_are_refused_by_path(register, value, path):
    with pytest.raises(Invalid) as refusal:
        register(parents=value)
    assert refusal.value.code == "invalid_manifest"
    assert set(refusal.value.context) == {path}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("\N{CYRILLIC SMALL LETTER ES}redit-2005", "cyrillic and latin"),
        ("credit-2005\N{GREEK SMALL LETTER ALPHA}", "greek and latin"),
        ("\N{FULLWIDTH LATIN SMALL LETTER C}redit", "NFKC"),
        ("cre\N{LATIN SMALL LIGATURE FI}t", "NFKC"),
    ],
)
def test_a_data_sets_id_that_looks_like_another_is_refused(register, manifest, name, word):
    manifest["datasets"][0]["id"] = name
    with pytest.raises(Invalid) as refusal:
        register()
    assert word in refusal.value.context["datasets[0].id"]


@pytest.mark.parametrize(
    "name", ["кредит-2005", "信用-2005", "cr\N{LATIN SMALL LETTER E WITH ACUTE}dit"]
)
def test_any_one_script_may_name_data(register, manifest, name):
    manifest["datasets"][0]["id"] = name
    assert register().dataset_uses.get().name == name


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_beyond_the_calendar_is_refused(register, manifest, moment):
    manifest["datasets"][0] |= {"from": moment, "to": None}
    with pytest.raises(Invalid) as refusal:
        register()
    assert set(refusal.value.context) == {"datasets[0].from"}


def test_the_last_day_there_is_may_end_a_range(register, manifest):
    manifest["datasets"][0]["to"] = "9999-12-31"
    assert register().dataset_uses.get().ends.year == 9999


def test_evidence_fills_what_was_left_open_and_the_row_before_stays(register, manifest, asha):
    manifest["datasets"][0] |= {"to": None, "source": None}
    version = register()
    data = {"id": "credit-2005", "digest": "cd" * 32, "to": "2005-09-30", "licence": "CC BY 4.0"}
    made = lineage(version, asha, datasets=[data, {"id": "bureau", "digest": OTHER}])

    assert version.dataset_uses.count() == 3
    known = {row.name: row for row in DatasetUse.objects.current().filter(version=version)}
    credit, bureau = known["credit-2005"], known["bureau"]
    assert credit.begins == datetime(2005, 4, 1, tzinfo=UTC)
    assert credit.ends == datetime(2005, 9, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    assert (credit.licence, credit.attestation) == ("CC BY 4.0", made.attestation)
    assert bureau.attestation == made.attestation
    assert Entry.objects.latest("seq").action == "version.attested"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"digest": OTHER}, "datasets[0].digest"),
        ({"from": "2005-04-02"}, "datasets[0].from"),
        ({"source": "elsewhere"}, "datasets[0].source"),
    ],
)
def test_evidence_overrides_no_data_set(register, asha, change, path):
    version = register()
    before = Entry.objects.count()
    data = {"id": "credit-2005", "digest": "cd" * 32, **change}
    with pytest.raises(Conflict) as refusal:
        lineage(version, asha, datasets=[data])

    assert refusal.value.code == "already_supplied"
    assert set(refusal.value.context["supplied"]) == {path}
    assert (Entry.objects.count(), Attestation.objects.count()) == (before, 0)


def test_evidence_fills_the_run_once(register, manifest, asha, cleo):
    manifest["training"]["run"] = None
    version = register()
    lineage(version, asha, run="ci/18")

    later = Attestation.objects.filter(version=version)
    assert selectors.members_of(version.manifest, later)["run"] == "ci/18"
    lineage(version, cleo, run="ci/18", pipeline_digest="ab" * 32)  # The same, and known.
    for document in ({"run": "ci/19"}, {"pipeline_digest": OTHER}, {"environment_lock": {}}):
        with pytest.raises(Conflict) as refusal:
            lineage(version, cleo, **document)
        assert refusal.value.code == "already_supplied"


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"verdict": "fit"}, "verdict"),
        ({"datasets": [{"id": "x"}]}, "datasets[0].digest"),
        ({"datasets": [{"id": "x", "digest": OTHER, "source": "file:///etc/passwd"}]},
         "datasets[0].source"),
        ({"datasets": [{"id": "x", "digest": OTHER, "source": "http://169.254.169.254\x07"}]},
         "datasets[0].source"),
        ({"run": ""}, "run"),
        ({"pipeline_digest": "ab"}, "pipeline_digest"),
        ({"environment_lock": []}, "environment_lock"),
        ({"parents": "v1"}, "parents"),
    ],
)  # fmt: skip
def test_evidence_of_lineage_is_read_as_strictly_as_a_manifest(register, asha, document, path):
    with pytest.raises(Invalid) as refusal:
        lineage(register(), asha, **document)
    assert refusal.value.code == "invalid_lineage"
    assert set(refusal.value.context) == {path}


def test_the_same_evidence_again_is_no_news(register, asha):
    first, second = register(), register()
    assert lineage(second, asha, parents=[parent(first)]).is_new
    assert not lineage(second, asha, parents=[parent(first)]).is_new
    assert lineage(second, asha, parents=[parent(first)], run="ci/17").is_new
    assert ParentLink.objects.count() == 1


def test_a_version_is_not_its_own_parent(register, asha):
    version = register()
    with pytest.raises(Conflict) as refusal:
        lineage(version, asha, parents=[parent(version)])
    assert refusal.value.code == "self_dependency"


def test_lineage_makes_no_circle(register, asha):
    first = register()
    second = register(parents=[parent(first)])
    third = register(parents=[parent(second)])
    with pytest.raises(Conflict) as refusal:
        lineage(first, asha, parents=[parent(third)])

    assert refusal.value.code == "cyclic_lineage"
    assert origins.descendants_of(first.pk) == {second.pk, third.pk}


def test_a_parent_in_another_relation_overrides_nothing(register, asha):
    first = register()
    second = register(parents=[parent(first)])
    with pytest.raises(Conflict) as refusal:
        lineage(second, asha, parents=[parent(first, "distilled")])
    assert refusal.value.code == "already_supplied"


def test_the_database_itself_lets_nothing_make_a_circle(register):
    first = register()
    second = register(parents=[parent(first)])
    with pytest.raises(DatabaseError, match="no circle"), transaction.atomic():
        ParentLink.objects.create(child=first, parent=second, relation="derived")
    with pytest.raises(DatabaseError, match="their_own_parent"), transaction.atomic():
        ParentLink.objects.create(child=first, parent=first, relation="derived")


@pytest.mark.parametrize("table", [DatasetUse, ParentLink])
def test_what_was_kept_is_never_changed(register, table):
    register(parents=[parent(register())])
    row = table.objects.first()
    for change in (row.delete, row.save):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


@pytest.mark.django_db(transaction=True)
def test_two_links_that_make_a_circle_only_together_wait_for_each_other(register, asha):
    one, other = register(), register()
    codes, start = [], threading.Barrier(2)

    def link(child, to):
        try:
            start.wait()
            lineage(child, asha, parents=[parent(to)])
        except Conflict as refusal:
            codes.append(refusal.code)
        finally:
            connection.close()

    pairs = [(one, other), (other, one)]
    threads = [threading.Thread(target=link, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == ["cyclic_lineage"]
    assert ParentLink.objects.count() == 1


def test_what_was_there_before_is_kept_by_the_migration(register, model, asha):
    version = register()
    rows = [
        {"id": "a", "digest": OTHER, "from": "2020-01-01", "to": "2020-12-31"},
        {"id": "a", "digest": OTHER},
        {"id": "b", "digest": "none"},
        {"id": "c", "digest": OTHER, "from": "2021-01-01", "to": "2020-01-01"},
        {"id": "d", "digest": OTHER, "from": "0001-01-01T00:00:00+14:00", "to": 7},
        "not a data set",
    ]
    for number, datasets in enumerate([rows, None, {}], start=2):
        row = ModelVersion.objects.create(
            model=model,
            number=number,
            digest=f"{number:064}",
            authors=[],
            registered_by="x",
            manifest_blob=version.manifest_blob,
            manifest={"datasets": datasets},
        )
        audit.record(
            Action.VERSION_REGISTERED,
            actor=asha,
            object=f"model:{model.name}",
            subject=f"version:{row.pk}",
        )
    step = import_module("registry.migrations.0005_lineage_of_what_is_there")
    step.keep(apps, SimpleNamespace(connection=connection))
    step.keep(apps, SimpleNamespace(connection=connection))  # Repeated, it keeps nothing twice.

    kept = DatasetUse.objects.filter(version__number=2).order_by("name")
    assert [use.name for use in kept] == ["a", "c", "d"]
    assert kept[0].ends == datetime(2020, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert [use.begins for use in kept[1:]] == [None, None]
    assert version.dataset_uses.count() == 1


def test_nothing_is_told_by_an_empty_document_of_another_kind(register, asha):
    version = register()
    attest(version=version, kind="data_details", document={"datasets": "as before"}, actor=asha)
    assert version.dataset_uses.count() == 1
    assert Attested() == Attested((), (), {})
