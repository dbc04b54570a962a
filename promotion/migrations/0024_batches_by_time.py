"""Prediction logs by when they came: one transaction is looked for in the newest first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("promotion", "0023_live_reviews")]

    operations = [
        migrations.AddIndex(
            model_name="predictionbatch",
            index=models.Index(fields=["kind", "at"], name="batches_by_time"),
        ),
    ]
