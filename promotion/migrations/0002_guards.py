"""The lifecycle's arrows, growing generations, and no change without an audit entry."""

from django.db import migrations

from governance.guards import append_only, audited

ARROWS = """
CREATE FUNCTION deployment_arrows() RETURNS trigger LANGUAGE plpgsql AS $$
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
    ) THEN
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
CREATE TRIGGER arrows BEFORE INSERT OR UPDATE ON promotion_deployment
    FOR EACH ROW EXECUTE FUNCTION deployment_arrows();
ALTER TABLE promotion_deployment ENABLE ALWAYS TRIGGER arrows;
"""

GENERATIONS = """
CREATE FUNCTION target_generation_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.generation < OLD.generation THEN
        RAISE EXCEPTION 'a generation never goes back'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER generation_grows BEFORE UPDATE ON promotion_target
    FOR EACH ROW EXECUTE FUNCTION target_generation_grows();
ALTER TABLE promotion_target ENABLE ALWAYS TRIGGER generation_grows;
"""


class Migration(migrations.Migration):
    dependencies = [("promotion", "0001_initial"), ("audit", "0002_guards")]
    operations = [
        migrations.RunSQL(
            ARROWS, "DROP TRIGGER arrows ON promotion_deployment; DROP FUNCTION deployment_arrows();"
        ),
        migrations.RunSQL(
            GENERATIONS,
            "DROP TRIGGER generation_grows ON promotion_target;"
            " DROP FUNCTION target_generation_grows();",
        ),
        append_only("promotion_desiredstate"),
        append_only("promotion_policy"),
        append_only("promotion_approval"),
        audited("promotion_deployment", "deployment"),
        audited("promotion_request", "request"),
        audited("promotion_rollout", "rollout"),
        audited("promotion_target", "target"),
        audited("promotion_agent", "agent", columns="target_id, cordoned, left_at"),
        migrations.RunSQL(
            """
            CREATE CONSTRAINT TRIGGER audited AFTER INSERT ON promotion_approval
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
                EXECUTE FUNCTION audit_required('approval');
            CREATE CONSTRAINT TRIGGER audited AFTER INSERT ON promotion_policy
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
                EXECUTE FUNCTION audit_required('policy');
            """,
            "DROP TRIGGER audited ON promotion_approval; DROP TRIGGER audited ON promotion_policy;",
        ),
    ]
