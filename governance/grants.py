"""What the application's database role may do, granted after every migration.

The owner's role makes tables; the application's reads and writes rows, may not
truncate, and has no way into the audit log but the function that appends to it.
"""

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

READ_ONLY = ("audit_entry", "audit_payload", "audit_head", "audit_object_head", "django_migrations")


def grant(connection: BaseDatabaseWrapper, *, role: str) -> None:
    """Give ``role`` what the application needs, and nothing more. Can be repeated."""
    name = sql.Identifier(role)
    with connection.cursor() as cursor:
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
            "REVOKE TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA public FROM {}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}",
            "GRANT EXECUTE ON FUNCTION audit_append TO {}",
        ):
            cursor.execute(sql.SQL(statement).format(name))
        cursor.execute("REVOKE EXECUTE ON FUNCTION audit_append FROM PUBLIC")
        for table in READ_ONLY:
            revoke = sql.SQL("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {} FROM {}")
            cursor.execute(revoke.format(sql.Identifier(table), name))
