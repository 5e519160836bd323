from django.db import migrations, models

from core.schema_operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("core", "0003_labels")]

    operations = [AddIndexOnline(model_name="event", index=models.Index(fields=["id"], name="events_id"))]
