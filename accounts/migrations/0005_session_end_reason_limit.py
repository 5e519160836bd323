from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_security_events"),
    ]

    operations = [
        migrations.AlterField(
            model_name="session",
            name="end_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("logout", "Logout"),
                    ("revoked", "Revoked"),
                    ("reuse", "Reuse"),
                    ("password", "Password"),
                    ("admin", "Admin"),
                    ("limit", "Limit"),
                ],
                max_length=8,
            ),
        ),
    ]
