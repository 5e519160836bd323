# An index on the failed logins of django-axes, whose own migrations cannot have it: the admin site's list, days and
# daily figures, and the purge. On an SQL level, so that Django does not look for it among axes' models.

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_services_and_cut_over"), ("axes", "0010_accessattemptexpiration")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX failed_logins_newest ON axes_accessfailurelog (attempt_time DESC, id DESC)",
            "DROP INDEX failed_logins_newest",
        ),
    ]
