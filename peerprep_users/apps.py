from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.core.checks import Tags, register

from peerprep_users import checks


class ServiceConfig(AppConfig):
    name = "peerprep_users"
    default = True

    def ready(self) -> None:
        for check in (checks.check_lifetimes, checks.check_worker_memory, checks.check_key_length):
            register(check, Tags.security)


class ServiceAdminConfig(admin.AdminConfig):
    default = False
    default_site = "peerprep_users.admin_site.site.Site"
