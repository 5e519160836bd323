from django.apps import AppConfig
from django.contrib.admin import apps as admin


class AccountsConfig(AppConfig):
    name = "accounts"
    default = True

    def ready(self) -> None:
        from accounts import checks  # noqa: F401, PLC0415 - registers the system checks


class AdminConfig(admin.AdminConfig):
    default = False
    default_site = "accounts.site.Site"
