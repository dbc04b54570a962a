"""SQL of the guards that tables share, for migrations of every app."""

from django.db import migrations


def audited(table: str, kind: str, *, columns: str = "") -> migrations.RunSQL:
    """Refuse, at commit, a change of ``table`` without an audit entry about that row.

    Args:
        table: its name; the row's ``id`` names it.
        kind: the subject's kind, as in ``deployment:<id>``.
        columns: only an update of these counts; empty for all.
    """
    update = f"UPDATE OF {columns}" if columns else "UPDATE"
    return migrations.RunSQL(
        f"""
        CREATE CONSTRAINT TRIGGER audited AFTER INSERT OR {update} ON {table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_required('{kind}');
        ALTER TABLE {table} ENABLE ALWAYS TRIGGER audited;
        CREATE TRIGGER never_deleted BEFORE DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION never_deleted();
        """,
        f"DROP TRIGGER audited ON {table}; DROP TRIGGER never_deleted ON {table};",
    )


def append_only(table: str) -> migrations.RunSQL:
    """Refuse any change or removal of a row of ``table``."""
    return migrations.RunSQL(
        f"""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION append_only();
        ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only;
        """,
        f"DROP TRIGGER append_only ON {table};",
    )
