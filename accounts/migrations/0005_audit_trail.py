# Security events become the audit trail. What happened stays; the next migration seals it.

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

KINDS = [
    ("account_locked", "Account Locked"),
    ("refresh_token_reused", "Refresh Token Reused"),
    ("password_reset", "Password Reset"),
    ("password_changed", "Password Changed"),
    ("account_created", "Account Created"),
    ("account_renamed", "Account Renamed"),
    ("address_verified", "Address Verified"),
    ("verification_resent", "Verification Resent"),
    ("reset_code_sent", "Reset Code Sent"),
    ("mail_resent", "Mail Resent"),
    ("lock_opened", "Lock Opened"),
    ("sessions_ended", "Sessions Ended"),
    ("role_changed", "Role Changed"),
    ("account_deactivated", "Account Deactivated"),
    ("account_reactivated", "Account Reactivated"),
    ("account_exported", "Account Exported"),
    ("account_deleted", "Account Deleted"),
    ("key_staged", "Key Staged"),
    ("key_activated", "Key Activated"),
    ("key_retired", "Key Retired"),
    ("trail_pruned", "Trail Pruned"),
    ("trail_restarted", "Trail Restarted"),
]
ACTORS = [
    ("anyone", "Anyone"),
    ("user", "User"),
    ("admin", "Admin"),
    ("operator", "Operator"),
    ("service", "Service"),
]


def text(length: int, **options: bool) -> models.CharField:
    """A text column, empty in the rows that are there."""
    return models.CharField(max_length=length, default="", **options)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_known_devices"),
        ("contenttypes", "0002_remove_content_type_name"),  # which renames what it keeps of the model
    ]

    operations = [
        migrations.RemoveIndex("SecurityEvent", "security_events_newest"),
        migrations.RemoveIndex("SecurityEvent", "security_events_of_user"),
        migrations.RenameModel("SecurityEvent", "AuditEntry"),
        migrations.AlterModelTable("AuditEntry", "audit_trail"),
        migrations.AlterModelOptions(
            "AuditEntry", {"verbose_name": "audit entry", "verbose_name_plural": "audit trail"}
        ),
        migrations.AlterField(
            "AuditEntry",
            "user",
            models.ForeignKey(
                settings.AUTH_USER_MODEL,
                django.db.models.deletion.CASCADE,
                null=True,
                related_name="security_events",
                db_index=False,
                db_constraint=False,
            ),
        ),
        # The column stays as it is.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("AuditEntry", "user"),
                migrations.AddField("AuditEntry", "user_id", models.UUIDField(null=True)),
            ]
        ),
        migrations.AlterField("AuditEntry", "kind", models.CharField(max_length=32, choices=KINDS)),
        migrations.AlterField("AuditEntry", "address", models.CharField(max_length=257, blank=True)),
        migrations.AddField(
            "AuditEntry",
            "actor_kind",
            models.CharField("by", max_length=8, choices=ACTORS, default="anyone"),
            preserve_default=False,
        ),
        migrations.AddField("AuditEntry", "actor_id", models.UUIDField(null=True)),
        migrations.AddField("AuditEntry", "actor_name", text(254, blank=True), preserve_default=False),
        migrations.AddField("AuditEntry", "reason", models.TextField(blank=True, default=""), preserve_default=False),
        migrations.AddField("AuditEntry", "facts", models.JSONField(default=dict)),
        migrations.AddField("AuditEntry", "after", text(93, blank=True, editable=False), preserve_default=False),
        migrations.AddField("AuditEntry", "salt", text(32, blank=True, editable=False), preserve_default=False),
        migrations.AddField("AuditEntry", "commitment", text(64, editable=False), preserve_default=False),
        migrations.AddField("AuditEntry", "actor_salt", text(32, blank=True, editable=False), preserve_default=False),
        migrations.AddField("AuditEntry", "actor_commitment", text(64, editable=False), preserve_default=False),
        migrations.AddField("AuditEntry", "seal", text(73, editable=False), preserve_default=False),
        migrations.AddField("AuditEntry", "position", models.BigIntegerField(null=True, editable=False)),
        migrations.AddField("AuditEntry", "hash", text(73, blank=True, editable=False), preserve_default=False),
        migrations.CreateModel(
            "AuditHead",
            [
                (
                    "id",
                    models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False, serialize=False),
                ),
                ("position", models.BigIntegerField(default=0)),
                ("hash", models.CharField(max_length=73, blank=True)),
            ],
            options={
                "db_table": "audit_head",
                "constraints": [models.CheckConstraint(condition=models.Q(id=1), name="audit_head_one")],
            },
        ),
    ]
