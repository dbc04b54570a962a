"""Versions are sealed, and models are registered only with an audit entry."""

from django.db import migrations

from governance.guards import append_only, audited


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial"), ("audit", "0002_guards")]
    operations = [
        audited("registry_registeredmodel", "model"),
        append_only("registry_blob"),
        append_only("registry_modelversion"),
        append_only("registry_versionfile"),
        migrations.RunSQL(
            """
            CREATE CONSTRAINT TRIGGER audited AFTER INSERT ON registry_modelversion
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
                EXECUTE FUNCTION audit_required('version');
            """,
            "DROP TRIGGER audited ON registry_modelversion;",
        ),
    ]
