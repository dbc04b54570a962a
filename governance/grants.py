"""What the application's database role may do, granted after every migration.

The owner's role makes tables; the application's reads and writes rows, may not
truncate, and has no way into the audit log but the functions that append to it and that
erase one payload. The sealer's reads the log, without payloads, and may add a checkpoint.
"""

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

SEALED = ("audit_entry", "audit_head", "audit_object_head")
"""What the sealer signs."""
SEALING = ("audit_checkpoint", "audit_block", "audit_sealer")
READ_ONLY = (*SEALED, *SEALING, "audit_payload", "django_migrations")
OF_APPLICATION = ("audit_append", "audit_erase")
OF_SEALER = ("audit_seal", "audit_sealer_says")


def grant(connection: BaseDatabaseWrapper, *, role: str) -> None:
    """Give ``role`` what the application needs, and nothing more. Can be repeated."""
    name = sql.Identifier(role)
    with connection.cursor() as cursor:
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
            "REVOKE TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA public FROM {}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}",
        ):
            cursor.execute(sql.SQL(statement).format(name))
        for function in map(sql.Identifier, OF_APPLICATION):
            cursor.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(function))
            cursor.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, name))
        for table in READ_ONLY:
            revoke = sql.SQL("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {} FROM {}")
            cursor.execute(revoke.format(sql.Identifier(table), name))


def grant_sealer(connection: BaseDatabaseWrapper, *, role: str) -> bool:
    """Let ``role`` seal the log, if there is such a role; tell whether. Can be repeated."""
    name = sql.Identifier(role)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        found = cursor.fetchone() is not None
        for function in OF_SEALER:
            each = sql.Identifier(function)
            cursor.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(each))
            if found:
                cursor.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(each, name))
        if found:
            tables = sql.SQL(", ").join(map(sql.Identifier, (*SEALED, *SEALING)))
            cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name))
            cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(tables, name))
    return found
