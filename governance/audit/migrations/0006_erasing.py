"""A payload can go, once, in the transaction that records it; such an entry never comes alone."""

from django.db import migrations

KEPT = """
CREATE FUNCTION audit_payload_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.seq = OLD.seq AND NEW.salt IS NULL AND NEW.body IS NULL
        AND EXISTS (
            SELECT 1 FROM public.audit_entry
            WHERE xid = pg_current_xact_id()::text::bigint
                AND action = 'payload.erased' AND subject = 'entry:' || OLD.seq
        ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER append_only ON audit_payload;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_payload
    FOR EACH ROW EXECUTE FUNCTION audit_payload_kept();
ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER append_only;
"""
AS_BEFORE = """
DROP TRIGGER append_only ON audit_payload;
DROP FUNCTION audit_payload_kept();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_payload
    FOR EACH ROW EXECUTE FUNCTION append_only();
ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER append_only;
"""

NEVER_ALONE = """
CREATE FUNCTION audit_erased_with_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.subject !~ '^entry:[1-9][0-9]{0,17}$' OR NOT EXISTS (
        SELECT 1 FROM audit_payload
        WHERE seq = substr(NEW.subject, 7)::bigint AND salt IS NULL AND body IS NULL
    ) THEN
        RAISE EXCEPTION 'entry % says that a payload was erased which is there', NEW.seq
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER erased_with_it AFTER INSERT ON audit_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((NEW.action)::text = 'payload.erased'::text) EXECUTE FUNCTION audit_erased_with_it();
ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER erased_with_it;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_watch")]
    operations = [
        migrations.RunSQL(KEPT, AS_BEFORE),
        migrations.RunSQL(
            NEVER_ALONE,
            "DROP TRIGGER erased_with_it ON audit_entry; DROP FUNCTION audit_erased_with_it();",
        ),
    ]
