from django.db import migrations, models

from core.schema_operations import AddIndexOnline, RemoveIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0009_failed_logins_by_time")]

    operations = [
        AddIndexOnline(
            model_name="session",
            index=models.Index(fields=["user", "-created_at"], name="sessions_newest_of_user"),
        ),
        RemoveIndexOnline(model_name="session", name="sessions_of_user"),  # the new one begins with the same
    ]
