import uuid

import django.utils.timezone
from django.db import migrations, models

import accounts.names


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_signing_keys")]

    operations = [
        migrations.CreateModel(
            name="RateCount",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("count", models.PositiveIntegerField()),
                ("until", models.FloatField()),
            ],
            options={"db_table": "rate_counts"},
        ),
        migrations.AlterField(
            model_name="user",
            name="name",
            field=models.CharField(max_length=100, validators=[accounts.names.no_control_characters]),
        ),
        # By address instead of by user. A code lives for minutes, so none is carried over.
        migrations.DeleteModel(name="PasswordReset"),
        migrations.CreateModel(
            name="PasswordReset",
            fields=[
                ("address", models.EmailField(max_length=254, primary_key=True, serialize=False)),
                ("id", models.UUIDField(default=uuid.uuid4)),
                ("code_hash", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("guesses", models.PositiveSmallIntegerField(default=0)),
                ("used_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "password_resets",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("guesses__lte", 5)), name="password_resets_five_guesses")
                ],
            },
        ),
    ]
