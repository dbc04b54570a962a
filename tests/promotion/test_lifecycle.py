"""The lifecycle's whole table, both ways: in Python, and in SQL past all of our code."""

import itertools

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone
from django_fsm import TransitionNotAllowed

from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.models import Environment
from promotion.models import Deployment

LEGAL = {
    ("trained", "deploy_dark", "dark"),
    ("trained", "promote", "production"),
    ("trained", "discard", "retired"),
    ("dark", "promote", "production"),
    ("dark", "reject", "retired"),
    ("production", "demote", "dark"),
    ("production", "retire", "retired"),
    ("retired", "retest", "dark"),
    ("retired", "restore", "production"),
    ("retired", "keep_as_spare", "production"),
}
ARROWS = {(source, target) for source, _, target in LEGAL}
STATES = Deployment.State.values
NOW = timezone.now()
SET_UP = Actor.from_task("tests.set_up")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("move", sorted({move for _, move, _ in LEGAL}))
def test_only_the_drawn_arrows_exist(state, move):
    deployment = Deployment(state=state, champion_at=NOW)
    ways = {(source, name): target for source, name, target in LEGAL}
    arguments = {"at": NOW} if move == "restore" else {}

    if (state, move) in ways:
        getattr(deployment, move)(**arguments)
        assert deployment.state == ways[state, move]
        assert (deployment.state == "production") == (deployment.role != "")
    else:
        with pytest.raises(TransitionNotAllowed):
            getattr(deployment, move)(**arguments)
        assert deployment.state == state


def test_every_arrow_is_in_the_table():
    declared = {(t.source, t.name, t.target) for t in Deployment().get_all_state_transitions()}
    assert declared == LEGAL | {("production", "recall", "trained")}


@pytest.mark.parametrize("role", ["champion", "bake", "spare"])
def test_only_a_candidate_that_is_called_off_goes_back(role):
    candidate = Deployment(state="production", role="candidate")
    candidate.recall()
    assert (candidate.state, candidate.role) == ("trained", "")
    with pytest.raises(TransitionNotAllowed):
        Deployment(state="production", role=role).recall()


@pytest.mark.django_db(transaction=True)
def test_sql_lets_only_a_candidate_go_back(world, application_role):
    row = Row(world.version())
    row.set(state="production", role="candidate")
    row.set(state="trained", role="")
    row.set(state="production", role="bake")
    with pytest.raises(IntegrityError, match="no arrow leads"):
        row.set(state="trained", role="")


@pytest.mark.parametrize("facts", [{}, {"champion_at": NOW, "barred": True}])
def test_only_a_former_champion_that_did_not_fail_is_restored(facts):
    with pytest.raises(TransitionNotAllowed):
        Deployment(state="retired", **facts).restore(at=NOW)


def test_the_state_is_not_set_from_outside():
    deployment = Deployment()
    with pytest.raises(AttributeError):
        deployment.state = "production"


class Row:
    """One deployment, moved by SQL as the application's role."""

    def __init__(self, version):
        self.version = version
        self.environment = Environment.objects.get(slug="prod-eu")
        with transaction.atomic():
            self.pk = Deployment.objects.create(
                version=version, model=version.model, environment=self.environment
            ).pk
            self.tell()

    def tell(self):
        """Append an entry about it, as every service does."""
        audit.record(
            Action.DEPLOYMENT_OPENED,
            actor=SET_UP,
            object=f"model:{self.version.model.name}",
            subject=f"deployment:{self.pk}",
        )

    def set(self, *, told=True, **columns):
        """Update in a transaction of its own, with an entry or without."""
        with transaction.atomic():
            names = ", ".join(f"{name} = %s" for name in columns)
            execute(
                f"UPDATE promotion_deployment SET {names} WHERE id = %s",
                [*columns.values(), self.pk],
            )
            if told:
                self.tell()

    def be(self, state):
        """Go to a state by legal arrows."""
        role = "bake" if state == "production" else ""
        path = {"production": ["production"], "dark": ["dark"], "retired": ["retired"]}
        for step in path.get(state, []):
            self.set(state=step, role=role, champion_at=NOW if state == "retired" else None)

    def now(self):
        return Deployment.objects.values_list("state", "role").get(pk=self.pk)


def execute(statement, arguments=()):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)


@pytest.fixture
def application_role(db):
    """Make sure that it is the application's role that is refused."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, session_user")
        current, session = cursor.fetchone()
    assert current != session
    return current


@pytest.mark.django_db(transaction=True)
def test_sql_knows_the_same_arrows(world, application_role):
    """Every pair of states, in SQL: illegal ones never, legal ones only with an entry."""
    for source, target in itertools.product(STATES, STATES):
        if source == target:
            continue
        row = Row(world.version())
        row.be(source)
        before = row.now()
        assert before[0] == source
        columns = {"state": target, "role": "bake" if target == "production" else ""}

        if (source, target) not in ARROWS:
            with pytest.raises(IntegrityError, match="no arrow leads"):
                row.set(**columns)
            assert row.now() == before
        else:
            with pytest.raises(IntegrityError, match="no audit entry"):
                row.set(told=False, **columns)
            assert row.now() == before
            row.set(**columns)
            assert row.now()[0] == target


@transaction.atomic
def tell_of_another(row, other):
    execute("UPDATE promotion_deployment SET barred = true WHERE id = %s", [row.pk])
    other.tell()


@pytest.mark.django_db(transaction=True)
def test_a_change_of_anything_needs_an_entry_about_that_very_row(world, application_role):
    one, other = Row(world.version()), Row(world.version())
    for columns in ({"barred": True}, {"switched_generation": 3}, {"changed_at": NOW}):
        with pytest.raises(IntegrityError, match="no audit entry"):
            one.set(told=False, **columns)
    with pytest.raises(IntegrityError, match="no audit entry"):
        tell_of_another(one, other)
    with pytest.raises(IntegrityError, match="no audit entry"), transaction.atomic():
        Deployment.objects.create(
            version=world.version(), model=one.version.model, environment=one.environment
        )


@pytest.mark.django_db(transaction=True)
def test_an_entry_of_an_earlier_transaction_does_not_count(world, application_role):
    row = Row(world.version())
    with transaction.atomic():
        row.tell()
    with pytest.raises(IntegrityError, match="no audit entry"):
        row.set(told=False, state="dark")


@pytest.mark.django_db
def test_it_begins_as_trained_and_as_nothing_else(world, application_role):
    version, place = world.version(), Environment.objects.get(slug="prod-eu")
    for facts in (
        {"state": "dark"},
        {"state": "production", "role": "champion", "champion_at": NOW},
        {"state": "retired"},
        {"champion_at": NOW},
        {"state": "banana"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Deployment.objects.create(
                version=version, model=version.model, environment=place, **facts
            )


@pytest.mark.django_db
def test_past_the_service_nothing_moves(world, application_role):
    """Neither ``update()`` nor ``bulk_update()`` goes round the table."""
    row = Row(world.version())
    with pytest.raises(IntegrityError), transaction.atomic():
        Deployment.objects.filter(pk=row.pk).update(state="production")
    row.set(state="retired")
    with pytest.raises(IntegrityError), transaction.atomic():
        Deployment.objects.filter(pk=row.pk).update(state="production", role="champion")
    deployment = Deployment.objects.get(pk=row.pk)
    deployment.__dict__["state"] = "trained"
    with pytest.raises(IntegrityError), transaction.atomic():
        Deployment.objects.bulk_update([deployment], ["state"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "columns",
    [
        {"state": "production", "role": ""},
        {"state": "dark", "role": "champion"},
        {"role": "candidate"},
        {"state": "production", "role": "king"},
        {"state": "production", "role": "champion", "champion_at": None},
        {"hold": "previous"},
        {"state": "banana"},
    ],
    ids=str,
)
def test_role_state_and_hold_fit_together(world, application_role, columns):
    row = Row(world.version())
    with pytest.raises(IntegrityError), transaction.atomic():
        row.set(**columns)


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["champion", "candidate"])
def test_there_is_one_champion_and_one_candidate(world, application_role, role):
    one, two = Row(world.version()), Row(world.version())
    columns = {"state": "production", "role": role, "champion_at": NOW}
    one.set(**columns)
    with pytest.raises(IntegrityError, match=f"one_{role}"), transaction.atomic():
        two.set(**columns)
    other = Row(world.version("another-model"))
    other.set(**columns)


@pytest.mark.django_db
def test_it_stays_what_and_where_it_is(world, application_role):
    row, other = Row(world.version()), world.version("another-model")
    qa = Environment.objects.get(slug="qa")
    for columns in (
        {"version_id": other.pk},
        {"model_id": other.model.pk},
        {"environment_id": qa.pk},
    ):
        with pytest.raises(IntegrityError, match="stays what and where"), transaction.atomic():
            row.set(**columns)


@pytest.mark.django_db
def test_sql_restores_no_version_that_failed(world, application_role):
    never, barred = Row(world.version()), Row(world.version())
    never.set(state="retired")
    barred.set(state="retired", champion_at=NOW, barred=True)
    for row in (never, barred):
        with pytest.raises(IntegrityError, match="former champion"), transaction.atomic():
            row.set(state="production", role="champion", champion_at=NOW)


@pytest.mark.django_db
def test_it_is_never_deleted(world, application_role):
    row = Row(world.version())
    with pytest.raises(IntegrityError, match="never removed"), transaction.atomic():
        Deployment.objects.filter(pk=row.pk).delete()
    for table in ("promotion_deployment", "audit_entry", "promotion_request"):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            execute(f"TRUNCATE {table} CASCADE")
    assert row.now() == ("trained", "")


@pytest.mark.django_db
def test_no_trigger_is_switched_off(world, application_role):
    statements = (
        "ALTER TABLE promotion_deployment DISABLE TRIGGER arrows",
        "SET session_replication_role = replica",
        "DROP TRIGGER arrows ON promotion_deployment",
    )
    for statement in statements:
        with pytest.raises(DatabaseError), transaction.atomic():
            execute(statement)


@pytest.mark.django_db
def test_a_generation_never_goes_back_and_states_are_sealed(world, application_role):
    for statement in (
        "UPDATE promotion_target SET generation = generation - 1",
        "UPDATE promotion_desiredstate SET envelope = ''",
        "DELETE FROM promotion_desiredstate",
        "UPDATE promotion_policy SET document = '{}'",
        "UPDATE audit_entry SET action = 'request.approved'",
        "DELETE FROM audit_entry",
        "INSERT INTO audit_head (id, seq, hash, at) VALUES (1, 0, '', now())",
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            execute(statement)
