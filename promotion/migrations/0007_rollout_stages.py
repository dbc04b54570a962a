"""Stages of a rollout, and the arrow by which a candidate goes back where it came from."""

from django.db import migrations, models

CHANGED = (
    "CREATE OR REPLACE FUNCTION deployment_arrows() RETURNS trigger LANGUAGE plpgsql AS $$"
)
ARROWS = """
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'trained' OR NEW.role <> '' OR NEW.champion_at IS NOT NULL THEN
            RAISE EXCEPTION 'a deployment begins as trained, not as %', NEW.state
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.version_id, NEW.environment_id, NEW.model_id)
        IS DISTINCT FROM (OLD.version_id, OLD.environment_id, OLD.model_id) THEN
        RAISE EXCEPTION 'a deployment stays what and where it is'
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state || ' ' || NEW.state) NOT IN (
        'trained dark', 'trained production', 'trained retired', 'dark production',
        'dark retired', 'production dark', 'production retired', 'retired dark',
        'retired production'
    ) AND NOT (OLD.state = 'production' AND OLD.role = 'candidate' AND NEW.state = 'trained') THEN
        RAISE EXCEPTION 'no arrow leads from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state = 'retired' AND NEW.state = 'production'
        AND (OLD.champion_at IS NULL OR OLD.barred) THEN
        RAISE EXCEPTION 'only a former champion that did not fail is restored'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""
RECALL = " AND NOT (OLD.state = 'production' AND OLD.role = 'candidate' AND NEW.state = 'trained')"


class Migration(migrations.Migration):
    dependencies = [("promotion", "0006_history_lost")]
    operations = [
        migrations.RunSQL(CHANGED + ARROWS, CHANGED + ARROWS.replace(RECALL, "")),
        migrations.AddField("rollout", "stage", models.PositiveSmallIntegerField(default=0)),
        migrations.AddField("rollout", "switch", models.JSONField(null=True)),
        migrations.AddField("rollout", "paused_at", models.DateTimeField(null=True)),
        migrations.AddField("rollout", "halted_at", models.DateTimeField(null=True)),
        migrations.AddField("rollout", "extended", models.BooleanField(default=False)),
        migrations.AddField("rollout", "unwatched", models.BooleanField(default=False)),
        migrations.AlterField(
            "rollout",
            "step",
            models.CharField(
                choices=[
                    ("load", "Load"),
                    ("stage", "Stage"),
                    ("commit", "Commit"),
                    ("bake", "Bake"),
                    ("retire", "Retire"),
                    ("done", "Done"),
                    ("failed", "Failed"),
                    ("superseded", "Superseded"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddField("rolloutstep", "requests_before", models.BigIntegerField(default=0)),
        migrations.AddField("rolloutstep", "errors_before", models.BigIntegerField(default=0)),
    ]
