from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.core.checks import Tags, register


class ServiceConfig(AppConfig):
    name = "peerprep_users"
    default = True

    def ready(self) -> None:
        from peerprep_users import checks  # noqa: PLC0415 - settings are complete only now

        for check in (checks.times, checks.memory, checks.key):
            register(check, Tags.security)
        register(checks.mail_in_production, Tags.security, deploy=True)


class ServiceAdminConfig(admin.AdminConfig):
    default = False
    default_site = "peerprep_users.admin_site.site.Site"
