"""People, roles, tokens and environments change only with an audit entry."""

from django.db import migrations

from governance.guards import audited


class Migration(migrations.Migration):
    dependencies = [("governance", "0001_initial"), ("audit", "0002_guards")]
    operations = [
        audited(
            "governance_user",
            "principal",
            columns="username, person, password, is_active, is_staff, is_superuser",
        ),
        audited("governance_environment", "environment"),
        audited("governance_servicetoken", "token"),
        audited("governance_rolebinding", "role"),
    ]
