"""System checks: settings that are valid alone and do not go together."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from peerprep_users.env import KEY_BYTES


def check_lifetimes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.ACCESS_TTL > settings.REFRESH_TTL:
        found.append(checks.Warning("ACCESS_TTL_MIN is longer than REFRESH_TTL_DAYS.", id="accounts.W004"))
    if settings.REFRESH_TTL > settings.SESSION_MAX:
        found.append(
            checks.Warning(
                "REFRESH_TTL_DAYS is longer than SESSION_MAX_DAYS.",
                hint="A refresh token ends with its session, so the longer time has no effect.",
                id="accounts.W001",
            )
        )
    return found


def check_worker_memory(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    fit = max(1, settings.WORKERS_THAT_FIT)
    if fit < settings.WORKERS:
        hint = f"WEB_CONCURRENCY={fit}, or a smaller ARGON2_MEMORY_KIB, leaves room for each hash."
        return [checks.Warning("The workers may take more memory than there is.", hint=hint, id="accounts.W005")]
    return []


def check_key_length(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.ALGORITHM == "HS256" and len(settings.SECRET_KEY.encode()) < KEY_BYTES:
        hint = "RFC 7518 section 3.2 asks for 32 bytes. With ENV=prod a shorter one is refused."
        return [checks.Warning("SECRET_KEY is short.", hint=hint, id="accounts.W003")]
    return []
