from django.db import migrations, models

from core.schema_operations import AddIndexOnline, RemoveIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("accounts", "0003_user_search"),
    ]

    operations = [
        RemoveIndexOnline(
            model_name="auditentry",
            name="audit_trail_security",
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("account_locked", "Account Locked"),
                    ("refresh_token_reused", "Refresh Token Reused"),
                    ("refresh_token_replayed", "Refresh Token Replayed"),
                    ("reset_code_exhausted", "Reset Code Exhausted"),
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
                ],
                max_length=32,
            ),
        ),
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("verification", "Verification"),
                    ("reset_code", "Reset Code"),
                    ("password_changed", "Password Changed"),
                    ("account_locked", "Account Locked"),
                    ("new_device", "New Device"),
                    ("token_replayed", "Token Replayed"),
                    ("code_exhausted", "Code Exhausted"),
                ],
                max_length=16,
            ),
        ),
        AddIndexOnline(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "account_locked",
                            "refresh_token_reused",
                            "refresh_token_replayed",
                            "reset_code_exhausted",
                            "password_reset",
                            "password_changed",
                        ],
                    )
                ),
                fields=["-occurred_at"],
                name="audit_trail_security",
            ),
        ),
    ]
