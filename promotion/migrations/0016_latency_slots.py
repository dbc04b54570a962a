import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('promotion', '0015_placements'),
        ('registry', '0003_attestations'),
    ]

    operations = [
        migrations.CreateModel(
            name='LatencySlot',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_index=True)),
                ('counts', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('sum_ms', models.FloatField()),
                ('squares', models.FloatField()),
                ('over_budget', models.BigIntegerField()),
                ('target', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='promotion.target')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.modelversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('version', 'target', 'at'), name='one_latency_slot_for_ten_minutes')],
            },
        ),
    ]
