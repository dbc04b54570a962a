"""Erasing the payload of one audit entry: asked for by one person, carried out by another."""

from django.db import migrations, models

from governance.guards import audited

MOVES = """
CREATE FUNCTION erasure_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'asked' THEN
            RAISE EXCEPTION 'an erasure begins as asked for' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.id <> OLD.id OR OLD.state = 'erased' OR NEW.state = OLD.state
        OR (OLD.state = 'declined' AND NEW.state <> 'asked') THEN
        RAISE EXCEPTION 'an erasure goes from asked to erased or declined, and may be asked again'
            USING ERRCODE = 'check_violation';
    ELSIF OLD.state = 'asked' AND (
        NEW.reason, NEW.basis, NEW.asked_person, NEW.asked_by, NEW.asked_at
    ) IS DISTINCT FROM (
        OLD.reason, OLD.basis, OLD.asked_person, OLD.asked_by, OLD.asked_at
    ) THEN
        RAISE EXCEPTION 'what was asked for is not changed by deciding it'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON governance_erasure
    FOR EACH ROW EXECUTE FUNCTION erasure_moves();
ALTER TABLE governance_erasure ENABLE ALWAYS TRIGGER moves;
"""

ERASE = """
CREATE FUNCTION audit_erase(
    p_seq bigint, p_actor_kind text, p_actor_id text, p_payload text, p_salt bytea
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_entry public.audit_entry%ROWTYPE;
    v_by bigint;
BEGIN
    SELECT * INTO STRICT v_entry FROM public.audit_entry WHERE seq = p_seq;
    IF NOT EXISTS (
        SELECT 1 FROM public.governance_erasure
        WHERE id = p_seq AND state = 'erased' AND decided_person <> asked_person
    ) THEN
        RAISE EXCEPTION 'nobody has decided that the payload of entry % goes', p_seq
            USING ERRCODE = 'check_violation';
    END IF;
    -- On the chain of the erased entry, so that a bundle of its object has both.
    v_by := public.audit_append(
        'payload.erased', p_actor_kind, p_actor_id, v_entry.object, 'entry:' || p_seq,
        v_entry.model, v_entry.model_version, v_entry.environment, v_entry.request,
        p_payload, p_salt
    );
    UPDATE public.audit_payload SET salt = NULL, body = NULL
        WHERE seq = p_seq AND body IS NOT NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the payload of entry % is gone already', p_seq
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN v_by;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0003_keys"), ("audit", "0006_erasing")]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Asked"),
                            ("declined", "Declined"),
                            ("erased", "Erased"),
                        ],
                        default="asked",
                        max_length=8,
                    ),
                ),
                ("reason", models.TextField()),
                ("basis", models.CharField(max_length=200)),
                ("asked_person", models.CharField(max_length=100)),
                ("asked_by", models.CharField(max_length=200)),
                ("asked_at", models.DateTimeField(db_index=True)),
                ("decided_person", models.CharField(blank=True, max_length=100)),
                ("decided_by", models.CharField(blank=True, max_length=200)),
                ("decided_at", models.DateTimeField(null=True)),
                ("comment", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["-asked_at"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ("asked", "declined", "erased"))),
                        name="a_known_state_of_an_erasure",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_person", ""), ("state", "asked")),
                            models.Q(
                                models.Q(("state", "asked"), _negated=True),
                                models.Q(("decided_person", ""), _negated=True),
                                models.Q(
                                    ("decided_person", models.F("asked_person")), _negated=True
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="an_erasure_is_decided_by_another_person",
                    ),
                ],
            },
        ),
        audited("governance_erasure", "entry"),
        migrations.RunSQL(
            MOVES, "DROP TRIGGER moves ON governance_erasure; DROP FUNCTION erasure_moves();"
        ),
        migrations.RunSQL(ERASE, "DROP FUNCTION audit_erase(bigint, text, text, text, bytea);"),
    ]
