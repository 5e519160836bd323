from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_services_and_cut_over")]

    operations = [
        migrations.AddIndex(
            model_name="session",
            index=models.Index(fields=["user", "-created_at"], name="sessions_newest_of_user"),
        ),
        migrations.RemoveIndex(model_name="session", name="sessions_of_user"),  # the new one begins with the same
    ]
