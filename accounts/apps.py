from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class AccountsConfig(AppConfig):
    name = "accounts"
    default = True

    def ready(self) -> None:
        for name in ("peerprep_users.soundness", "accounts.examinations", "accounts.checks"):
            import_module(name)  # registers what the doctor examines, in this order, and the system checks
        from accounts.metrics import session_gauges  # noqa: PLC0415 - its models are loaded only now
        from peerprep_users.exposition import stored  # noqa: PLC0415

        stored.append(session_gauges)


class AdminConfig(admin.AdminConfig):
    default = False
    default_site = "accounts.site.Site"
