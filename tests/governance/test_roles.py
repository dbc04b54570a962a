"""The application's role cannot do what the design says it cannot."""

import pytest
from django.db import ProgrammingError, connection

pytestmark = pytest.mark.django_db


def test_tests_run_as_the_application():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == ("lockgate_app", False)


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE audit_entry CASCADE",
        "UPDATE audit_entry SET action = 'request.approved'",
        "DELETE FROM audit_entry",
        "INSERT INTO audit_head (id, seq, hash, at) VALUES (1, 0, '', now())",
        "UPDATE audit_head SET seq = 0",
        "UPDATE audit_object_head SET seq = 0",
        "UPDATE audit_payload SET body = ''",
        "ALTER TABLE audit_entry DISABLE TRIGGER append_only",
        "ALTER TABLE governance_user DISABLE TRIGGER ALL",
        "DROP TRIGGER audited ON promotion_deployment",
        "SET session_replication_role = replica",
        "TRUNCATE promotion_deployment CASCADE",
        "ALTER FUNCTION audit_required() RENAME TO sleeping",
    ],
)
def test_the_application_is_refused(statement):
    refused = r"permission denied|must be owner"
    with connection.cursor() as cursor, pytest.raises(ProgrammingError, match=refused):
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_a_transactional_test_runs_as_the_application_too():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("lockgate_app",)
