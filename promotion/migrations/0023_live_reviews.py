"""Reviews of versions that answer: never changed, each with its audit entry."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from governance.guards import append_only

AUDITED = """
CREATE CONSTRAINT TRIGGER audited AFTER INSERT ON promotion_livereview
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_required('live_review');
ALTER TABLE promotion_livereview ENABLE ALWAYS TRIGGER audited;
"""


class Migration(migrations.Migration):
    dependencies = [("promotion", "0022_findings")]

    operations = [
        migrations.CreateModel(
            name="LiveReview",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("continue", "may go on"),
                            ("restrict", "may go on, with findings"),
                            ("replace", "has to be replaced"),
                        ],
                        max_length=8,
                    ),
                ),
                ("comment", models.TextField()),
                ("trigger", models.CharField(blank=True, max_length=20)),
                ("next_by", models.DateField(null=True)),
                ("person", models.CharField(max_length=100)),
                ("name", models.CharField(max_length=200)),
                (
                    "at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="live_reviews",
                        to="promotion.deployment",
                    ),
                ),
            ],
            options={
                "ordering": ["-at"],
                "indexes": [
                    models.Index(fields=["deployment", "-at"], name="reviews_of_a_deployment")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", ("continue", "restrict", "replace"))),
                        name="a_known_outcome_of_a_review",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("person", ""), _negated=True),
                            models.Q(("comment", ""), _negated=True),
                        ),
                        name="a_review_is_a_persons_and_says_why",
                    ),
                ],
            },
        ),
        migrations.RunSQL(AUDITED, "DROP TRIGGER audited ON promotion_livereview;"),
        append_only("promotion_livereview"),
    ]
