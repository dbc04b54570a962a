"""Checkpoints of the log, the blocks proofs are made from, and what the sealer says."""

from django.db import migrations, models

from governance.guards import append_only

SEAL = """
CREATE FUNCTION audit_seal(
    p_size bigint, p_epoch integer, p_root text, p_note text, p_frontier text,
    p_at timestamptz, p_first_block bigint, p_blocks text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF p_size <= (SELECT coalesce(max(size), 0) FROM public.audit_checkpoint)
        OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE seq = p_size) THEN
        RAISE EXCEPTION 'a checkpoint of % entries does not follow the newest', p_size
            USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO public.audit_block (number, root)
        SELECT p_first_block + place - 1, root
        FROM unnest(p_blocks) WITH ORDINALITY AS block (root, place);
    INSERT INTO public.audit_checkpoint (size, epoch, root, note, frontier, at)
        VALUES (p_size, p_epoch, p_root, p_note, p_frontier, p_at);
END $$;
CREATE FUNCTION audit_sealer_says(p_said jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO public.audit_sealer (id, at, said) VALUES (1, clock_timestamp(), p_said)
        ON CONFLICT (id) DO UPDATE SET at = excluded.at, said = excluded.said;
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_by_time")]
    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                ("epoch", models.IntegerField()),
                ("root", models.CharField(max_length=64)),
                ("note", models.TextField()),
                ("frontier", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={"db_table": "audit_checkpoint", "ordering": ["size"]},
        ),
        migrations.CreateModel(
            name="Block",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("root", models.CharField(max_length=64)),
            ],
            options={"db_table": "audit_block", "ordering": ["number"]},
        ),
        migrations.CreateModel(
            name="SealerReport",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("said", models.JSONField()),
            ],
            options={"db_table": "audit_sealer"},
        ),
        migrations.RunSQL(
            SEAL,
            "DROP FUNCTION audit_seal(bigint, integer, text, text, text, timestamptz, bigint,"
            " text[]); DROP FUNCTION audit_sealer_says(jsonb);",
        ),
        append_only("audit_checkpoint"),
        append_only("audit_block"),
    ]
