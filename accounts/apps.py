from django.apps import AppConfig
from django.contrib.admin import apps as admin


class AccountsConfig(AppConfig):
    name = "accounts"
    default = True

    def ready(self) -> None:
        from accounts import (  # noqa: F401, PLC0415 - registers the system checks
            checks,
            examinations,
            metrics,
        )
        from peerprep_users import exposition, soundness  # noqa: F401, PLC0415 - registers examinations

        exposition.stored.append(metrics.session_gauges)


class AdminConfig(admin.AdminConfig):
    default = False
    default_site = "accounts.site.Site"
