"""What the watch last saw."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_checkpoints")]
    operations = [
        migrations.CreateModel(
            name="Watch",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("whole_at", models.DateTimeField()),
                ("found", models.JSONField(default=list)),
                ("places", models.JSONField(default=dict)),
            ],
            options={"db_table": "audit_watch"},
        ),
    ]
