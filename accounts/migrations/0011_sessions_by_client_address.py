from django.db import migrations, models

from core.schema_operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0010_newest_sessions_of_user")]

    operations = [
        AddIndexOnline(
            model_name="session", index=models.Index(fields=["ip", "-created_at"], name="sessions_newest_of_ip")
        )
    ]
