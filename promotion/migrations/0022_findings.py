"""Findings on versions: recorded once, closed once, by another person."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from governance.guards import audited

CLOSES_ONCE = """
CREATE FUNCTION finding_closes_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.closed_at IS NOT NULL THEN
            RAISE EXCEPTION 'a finding begins as open' USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.condition_of_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM promotion_request
            JOIN promotion_deployment ON promotion_deployment.id = deployment_id
            WHERE promotion_request.id = NEW.condition_of_id AND version_id = NEW.version_id
        ) THEN
            RAISE EXCEPTION 'a finding is a condition of a request of its own version'
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a closed finding is never changed' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.closed_at IS NULL OR (
        NEW.id, NEW.version_id, NEW.severity, NEW.title, NEW.text, NEW.owner, NEW.owner_name,
        NEW.due, NEW.blocks, NEW.condition_of_id, NEW.recorded_person, NEW.recorded_by,
        NEW.recorded_at
    ) IS DISTINCT FROM (
        OLD.id, OLD.version_id, OLD.severity, OLD.title, OLD.text, OLD.owner, OLD.owner_name,
        OLD.due, OLD.blocks, OLD.condition_of_id, OLD.recorded_person, OLD.recorded_by,
        OLD.recorded_at
    ) THEN
        RAISE EXCEPTION 'of an open finding nothing changes but that it is closed'
            USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (
        SELECT 1 FROM registry_modelversion
        WHERE id = NEW.version_id AND authors ? NEW.closed_person
    ) THEN
        RAISE EXCEPTION 'no author of a version closes a finding on it'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER closes_once BEFORE INSERT OR UPDATE ON promotion_finding
    FOR EACH ROW EXECUTE FUNCTION finding_closes_once();
ALTER TABLE promotion_finding ENABLE ALWAYS TRIGGER closes_once;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("promotion", "0021_spares"),
        ("registry", "0003_attestations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Finding",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("low", "Low"),
                            ("medium", "Medium"),
                            ("high", "High"),
                            ("critical", "Critical"),
                        ],
                        max_length=8,
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("text", models.TextField(blank=True)),
                ("owner", models.CharField(max_length=100)),
                ("owner_name", models.CharField(max_length=200)),
                ("due", models.DateField()),
                ("blocks", models.BooleanField(default=False)),
                ("recorded_person", models.CharField(max_length=100)),
                ("recorded_by", models.CharField(max_length=200)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("closed_person", models.CharField(blank=True, max_length=100)),
                ("closed_by", models.CharField(blank=True, max_length=200)),
                ("closed_at", models.DateTimeField(editable=False, null=True)),
                ("resolution", models.TextField(blank=True)),
                ("evidence", models.CharField(blank=True, max_length=500)),
                (
                    "condition_of",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="conditions",
                        to="promotion.request",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="findings",
                        to="registry.modelversion",
                    ),
                ),
            ],
            options={
                "ordering": ["-recorded_at"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=["due"],
                        name="open_findings",
                    ),
                    models.Index(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=["owner"],
                        name="open_findings_of_owner",
                    ),
                    models.Index(fields=["recorded_at"], name="findings_by_time"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("severity__in", ("low", "medium", "high", "critical"))),
                        name="a_known_severity_of_a_finding",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("closed_at__isnull", True),
                                ("closed_by", ""),
                                ("closed_person", ""),
                                ("evidence", ""),
                                ("resolution", ""),
                            ),
                            models.Q(
                                ("closed_at__isnull", False),
                                models.Q(("closed_person", ""), _negated=True),
                                models.Q(("resolution", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="a_finding_is_closed_by_a_person_with_a_resolution",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("recorded_person", ""), _negated=True),
                            models.Q(("owner", ""), _negated=True),
                        ),
                        name="a_finding_has_a_recorder_and_an_owner",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("closed_person", ""),
                            models.Q(
                                models.Q(
                                    ("closed_person", models.F("recorded_person")), _negated=True
                                ),
                                models.Q(("closed_person", models.F("owner")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="a_finding_is_closed_by_another_person",
                    ),
                ],
            },
        ),
        audited("promotion_finding", "finding"),
        migrations.RunSQL(
            CLOSES_ONCE,
            "DROP TRIGGER closes_once ON promotion_finding; DROP FUNCTION finding_closes_once();",
        ),
    ]
