import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_session_end_reason_limit"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConfirmationGuess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64)),
                ("guessed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("is_wrong", models.BooleanField(default=False)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="confirmation_guesses",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "confirmation_guesses",
                "constraints": [models.UniqueConstraint(fields=("user", "digest"), name="confirmation_guesses_once")],
            },
        ),
    ]
