from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_confirmation_guesses"),
    ]

    operations = [
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
                    ("data_imported", "Data Imported"),
                    ("key_staged", "Key Staged"),
                    ("key_activated", "Key Activated"),
                    ("key_retired", "Key Retired"),
                    ("trail_pruned", "Trail Pruned"),
                    ("trail_restarted", "Trail Restarted"),
                ],
                max_length=32,
            ),
        ),
    ]
