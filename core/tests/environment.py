"""The environment of the tests: loaded before the settings are, so that no `.env` of a developer gets in."""

import gc
import os

gc.disable()  # until the tests are collected: loading makes many objects, and hardly any garbage

DATABASE_URL = os.environ.get("DATABASE_URL", "")
OWN = {
    "ENV": "dev",
    "ARGON2_TIME_COST": "1",  # the real cost would be most of the suite's time
    "ARGON2_MEMORY_KIB": "64",
    "ARGON2_PARALLELISM": "1",
    "LOG_LEVEL": "INFO",
    "RATE_LIMIT_ENABLED": "false",  # all tests call from one address
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # Playwright runs an event loop in the thread of the tests
}
NAMES = [
    "APP_NAME",
    "ENV",
    "HOST",
    "PORT",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "ALGORITHM",
    "ACCESS_TTL_MIN",
    "REFRESH_TTL_DAYS",
    "MAIL_USERNAME",
    "MAIL_PASSWORD",
    "MAIL_FROM",
    "MAIL_FROM_NAME",
    "MAIL_PORT",
    "MAIL_SERVER",
    "MAIL_STARTTLS",
    "MAIL_SSL_TLS",
    "USE_CREDENTIALS",
    "VALIDATE_CERTS",
    "PUBLIC_BASE_URL",
    "LOG_LEVEL",
    "REDIS_URL",
    "RABBITMQ_URL",
    "PASSWORD_CONTEXT_WORDS",
    "BREACHED_PASSWORDS_DIR",
    "LOGIN_FAILURE_LIMIT",
    "LOGIN_LOCK_MIN",
    "RESET_CODE_TTL_MIN",
    "UNVERIFIED_DAYS",
    "SESSION_MAX_DAYS",
    "REFRESH_GRACE_SECONDS",
    "LEGACY_TOKENS_UNTIL",
    "RATE_LIMIT_ENABLED",
    "RATE_LIMIT_LOGIN",
    "RATE_LIMIT_REGISTER",
    "RATE_LIMIT_FORGOT_PASSWORD",
    "RATE_LIMIT_RESEND_VERIFICATION",
    "RATE_LIMIT_RESET_CODE",
    "RATE_LIMIT_REFRESH",
    "RATE_LIMIT_ATTEMPTS",
    "TRUSTED_PROXY_COUNT",
    "CORS_ALLOWED_ORIGINS",
    "CORS_ALLOWED_HEADERS",
    "SERVICE_KEYS",
    "DATABASE_URL",
]

os.environ.update(dict.fromkeys(NAMES, "") | OWN | {"DATABASE_URL": DATABASE_URL})
