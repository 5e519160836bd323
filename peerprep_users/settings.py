"""Every setting of the service, read once from the environment (and from `.env`, which never overrides it).

A variable that does not parse stops the start with one line that names it.
"""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import dj_database_url
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from dotenv import load_dotenv
from psycopg.pq import Conninfo

from core.host import memory, processors

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(BASE_DIR / ".env")

T = TypeVar("T")


# --- Typed reading of the environment -----------------------------------------------------------------------------


def refuse(name: str, wanted: str) -> NoReturn:
    raise SystemExit(f"Configuration error: {name} must be {wanted}.")


def env(name: str, default: T, parse: Callable[[str], T], wanted: str, *, exactly: bool = False) -> T:
    """The variable `name`, parsed; `default` where it is unset or empty. Never shows the value: it may be a secret.

    Args:
        exactly: space around the value belongs to it.
    """
    value = os.environ.get(name, "")
    if not value.strip():
        return default
    try:
        return parse(value if exactly else value.strip())
    except (ValueError, KeyError, ValidationError):
        refuse(name, wanted)


def text(name: str, default: str = "", *, exactly: bool = False) -> str:
    def parse(value: str) -> str:
        if not value.replace("\t", " ").isprintable():
            raise ValueError
        return value

    return env(name, default, parse, "text without control characters", exactly=exactly)


def one_of(name: str, default: str, *choices: str) -> str:
    return env(name, default, dict(zip(choices, choices, strict=True)).__getitem__, f"one of {', '.join(choices)}")


def flag(name: str, default: bool) -> bool:
    words = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True)
    words |= dict.fromkeys(("0", "false", "f", "no", "n", "off"), False)
    return env(name, default, lambda value: words[value.lower()], "true or false")


def integer(name: str, default: int, least: int, most: int) -> int:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]+", value) or not least <= int(value) <= most:
            raise ValueError
        return int(value)

    return env(name, default, parse, f"a whole number from {least} to {most}")


def duration(name: str, default: float, unit: Literal["days", "minutes", "seconds"]) -> timedelta:
    """A positive span of time, fractions allowed, of at most ten years."""

    def parse(value: str) -> timedelta:
        if not re.fullmatch(r"[0-9]*\.?[0-9]+|[0-9]+\.", value):
            raise ValueError
        span = timedelta(**{unit: float(value)})
        if not timedelta(0) < span <= timedelta(days=3650):
            raise ValueError
        return span

    try:
        return env(name, timedelta(**{unit: default}), parse, f"a positive number of {unit}, up to ten years")
    except OverflowError:
        refuse(name, f"a positive number of {unit}, up to ten years")


def service(name: str, *schemes: str, path: str = ".*") -> str:
    """The URL of another service, with one of these schemes and such a path; empty where there is none."""

    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not parts.hostname or parts.port == 0 or parts.query:
            raise ValueError
        if not re.fullmatch(path, parts.path):
            raise ValueError
        return value

    return env(name, "", parse, f"a URL of the form {schemes[0]}://user:password@host:port/ without parameters")


class Rate(NamedTuple):
    calls: int
    period: timedelta


UNITS = {"s": "seconds", "min": "minutes", "h": "hours"}


def rate(name: str, default: str) -> Rate:
    """So many calls in so much time: `60/min`, `300/5min`, `100/h`."""

    def parse(value: str) -> Rate:
        found = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,3})?(s|min|h)", value)
        if not found:
            raise ValueError
        calls, length, unit = found.groups()
        return Rate(int(calls), timedelta(**{UNITS[unit]: int(length or 1)}))

    return env(name, parse(default), parse, "a number of calls in a time, such as 60/min, 300/5min or 100/h")


def words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


# --- The service ----------------------------------------------------------------------------------------------------

APP_NAME = text("APP_NAME", "PeerPrep User Service")
ENV = one_of("ENV", "dev", "dev", "prod")
PRODUCTION = ENV == "prod"


def host(value: str) -> str:
    """The name or the address of a network interface; an IPv6 one in the brackets that a URL puts it in."""
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*\.?", value):
        return value
    address = IPv6Address(value[1:-1] if value.startswith("[") and value.endswith("]") else value)
    return f"[{address}]"


HOST = env("HOST", "0.0.0.0", host, "a host name or an IP address")  # noqa: S104 - a container's only way to be reached
PORT = integer("PORT", 8001, 1, 65535)
DEBUG = False  # also in development: every answer is the documented JSON


def base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError
    if not re.fullmatch(r"[!-~]+", value) or parts.query or parts.fragment:
        raise ValueError
    return value.rstrip("/")


PUBLIC_BASE_URL = env("PUBLIC_BASE_URL", f"http://localhost:{PORT}", base_url, "an http:// or https:// address")

# --- Keys and tokens ------------------------------------------------------------------------------------------------

KEY_BYTES = 32
DEVELOPMENT_KEY = "peerprep-development-key-that-production-refuses"
PLACEHOLDERS = (  # of keys that people copy from examples, or type; a random key has none of them
    r"change|replace|secret|password|example|default|insecure|develop|placeholder|peerprep|generate|please|random"
    r"|^your|^dev\b|^test|^<|verygood|123456|abcdef|qwerty"
    r"|09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"  # FastAPI's tutorial
)


def is_guessable(key: str) -> bool:
    """Whether it is a placeholder, or repeats itself."""
    repetitive = len(set(key)) < KEY_BYTES // 4 or key in (key * 2)[1:-1]
    return repetitive or re.search(PLACEHOLDERS, key, re.IGNORECASE) is not None


def secret_key(value: str) -> str:
    """RFC 7518 section 3.2 asks as many bits of an HS256 key as SHA-256 gives: 32 bytes."""
    if PRODUCTION and (is_guessable(value) or len(value.encode()) < KEY_BYTES):
        raise ValueError
    return value


SAFE_KEY = "a random secret of its own, of 32 bytes or more, with ENV=prod"
SECRET_KEY = env("SECRET_KEY", "", secret_key, SAFE_KEY, exactly=True)
if not SECRET_KEY:
    if PRODUCTION:
        refuse("SECRET_KEY", "set with ENV=prod, to a random secret of 32 bytes or more")
    SECRET_KEY = DEVELOPMENT_KEY

SECRET_KEY_FALLBACKS: list[str] = env(
    "SECRET_KEY_FALLBACKS",
    [],
    lambda value: [secret_key(key) for key in words(value)],
    "earlier values of SECRET_KEY, comma-separated, each as safe as SECRET_KEY",
)
ALGORITHM = one_of("ALGORITHM", "HS256", "HS256", "RS256", "ES256", "EdDSA")
JWKS_MAX_AGE = timedelta(minutes=10)  # how long a verifier may go by what it has fetched
KEY_RING_TTL = timedelta(seconds=5)  # how long a process goes by what it has read
ACCESS_TTL = duration("ACCESS_TTL_MIN", 15, "minutes")
REFRESH_TTL = duration("REFRESH_TTL_DAYS", 7, "days")
REFRESH_GRACE = duration("REFRESH_GRACE_SECONDS", 10, "seconds")
SESSION_MAX = duration("SESSION_MAX_DAYS", 30, "days")

SIMPLE_JWT = {
    "SIGNING_KEY": SECRET_KEY,
    "ACCESS_TOKEN_LIFETIME": ACCESS_TTL,
    "REFRESH_TOKEN_LIFETIME": REFRESH_TTL,
    "USER_ID_CLAIM": "sub",
    "TOKEN_TYPE_CLAIM": "type",
}

# --- Passwords, lockout, codes --------------------------------------------------------------------------------------

PASSWORD_HASHERS = ["accounts.hashing.Argon2id"]
ARGON2_TIME_COST = integer("ARGON2_TIME_COST", 3, 1, 100)
ARGON2_MEMORY_KIB = integer("ARGON2_MEMORY_KIB", 65536, 64, 4_194_304)
ARGON2_PARALLELISM = integer("ARGON2_PARALLELISM", 4, 1, 64)

# Processes: two for each processor, if three quarters of the memory bear that many, each with a hash under way.
PROCESS_MEMORY = 128 * 1024**2 + ARGON2_MEMORY_KIB * 1024
BORNE = int(memory() * 0.75) // PROCESS_MEMORY
WORKERS = integer("WEB_CONCURRENCY", max(1, min(2 * processors(), BORNE)), 1, 1000)

ARGON2_CONCURRENCY = integer("ARGON2_CONCURRENCY", max(1, processors() // WORKERS), 1, 64)  # hashes at once per process
ARGON2_WAITING = 31  # more that wait for their turn; any further is told to come again
ARGON2_WAIT = timedelta(seconds=10)
THREADS = ARGON2_CONCURRENCY + ARGON2_WAITING + 4  # some are left for every other call

AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "name"]},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "accounts.hashing.MaximumLengthValidator"},
    {"NAME": "accounts.hashing.OverAgainValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LOGIN_FAILURE_LIMIT = integer("LOGIN_FAILURE_LIMIT", 3, 1, 1000)
LOGIN_LOCK = duration("LOGIN_LOCK_MIN", 15, "minutes")
RESET_CODE_TTL = duration("RESET_CODE_TTL_MIN", 10, "minutes")
VERIFICATION_TTL = timedelta(days=2)

RATE_LIMIT_ENABLED = flag("RATE_LIMIT_ENABLED", True)
RATE_LIMITS = {  # per client address
    "login": rate("RATE_LIMIT_LOGIN", "60/min"),
    "register": rate("RATE_LIMIT_REGISTER", "100/h"),
    "forgot_password": rate("RATE_LIMIT_FORGOT_PASSWORD", "60/h"),
    "resend_verification": rate("RATE_LIMIT_RESEND_VERIFICATION", "60/h"),
    "refresh": rate("RATE_LIMIT_REFRESH", "300/5min"),
}

AXES_HANDLER = "accounts.login_guard.AccountHandler"
AXES_LOCKOUT_PARAMETERS = ["username"]
AXES_FAILURE_LIMIT = LOGIN_FAILURE_LIMIT
AXES_COOLOFF_TIME = LOGIN_LOCK
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "core.client.ip_of"
AXES_LOCKOUT_CALLABLE = "accounts.login_guard.admin_lockout_response"
AXES_USERNAME_FORM_FIELD = "username"
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False

# --- Mail -----------------------------------------------------------------------------------------------------------

EMAIL_HOST = env("MAIL_SERVER", "", host, "the name or the address of an SMTP server")
EMAIL_PORT = integer("MAIL_PORT", 587, 1, 65535)
EMAIL_USE_SSL = flag("MAIL_SSL_TLS", False)
EMAIL_USE_TLS = flag("MAIL_STARTTLS", not EMAIL_USE_SSL)
EMAIL_VALIDATE_CERTS = flag("VALIDATE_CERTS", True)
EMAIL_TIMEOUT = 10
EMAIL_BACKEND = "core.smtp.SMTP" if EMAIL_HOST else "core.smtp.Console"
EMAIL_SUBJECT_PREFIX = ""
if flag("USE_CREDENTIALS", True):
    EMAIL_HOST_USER = text("MAIL_USERNAME")
    EMAIL_HOST_PASSWORD = text("MAIL_PASSWORD", exactly=True)
if EMAIL_USE_SSL and EMAIL_USE_TLS:
    refuse("MAIL_STARTTLS", "false where MAIL_SSL_TLS is true")


def address(value: str) -> str:
    validate_email(value)
    return value


MAIL_FROM = env("MAIL_FROM", "no-reply@peerprep.localhost", address, "an e-mail address")
MAIL_FROM_NAME = text("MAIL_FROM_NAME", "PeerPrep")

# --- Data -----------------------------------------------------------------------------------------------------------

POSTGRES_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "options": "-c statement_timeout=15s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s",
}
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}


# Parameters of asyncpg's that tune its cache of statements. psycopg has none to tune.
ASYNCPG_TUNING = {
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "statement_cache_size",
    "max_cached_statement_lifetime",
    "max_cacheable_statement_size",
    "command_timeout",
}


SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def parameters(query: str) -> dict[str, str]:
    """The parameters of a database URL as libpq knows them, from its own names and from asyncpg's."""
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    renamed = {"ssl": "sslmode", "timeout": "connect_timeout"}
    found = {renamed.get(name, name): value for name, value in parse_qsl(query) if name not in ASYNCPG_TUNING}
    for name in found.keys() - known:
        refuse("DATABASE_URL", f"without the parameter {name!r}, which PostgreSQL's client library does not know")
    if not re.fullmatch(r"[0-9]{1,4}", found.get("connect_timeout", "0")):
        refuse("DATABASE_URL", "given a connect_timeout in whole seconds")
    if found.get("sslmode", "prefer") not in SSL_MODES:
        refuse("DATABASE_URL", f"given an sslmode that is one of {', '.join(SSL_MODES)}")
    return found


def database(url: str) -> dict[str, Any]:
    """Django's settings for `postgresql://…` (with a driver suffix such as `+asyncpg` too) or `sqlite:///path`."""
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
    url = re.sub(r"^sqlite(\+\w+)?://", "sqlite://", url)
    url, _, query = url.partition("?")
    if not url.startswith(("postgresql://", "sqlite://")):
        raise ValueError
    found = urlencode(parameters(query)) if url.startswith("postgresql://") else ""
    config: dict[str, Any] = dict(dj_database_url.parse(f"{url}?{found}"))
    if config["NAME"] in {"", ":memory:"}:
        raise ValueError
    if config["ENGINE"].endswith("sqlite3"):
        return {**config, "OPTIONS": SQLITE_OPTIONS}
    config["ENGINE"] = "core.postgresql"
    config["OPTIONS"] = {**POSTGRES_OPTIONS, **config.get("OPTIONS", {})}
    return {**config, "CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}


DATABASES = {
    "default": env(
        "DATABASE_URL",
        database(f"sqlite:///{BASE_DIR / 'db.sqlite3'}"),
        database,
        "postgresql://user:password@host:port/name or sqlite:///path",
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ATOMIC_REQUESTS = False  # DRF would roll the failure counts back with every error it answers
AUTH_USER_MODEL = "accounts.User"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "peerprep_users.dates"

# --- HTTP -----------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "core",
    "accounts",  # first, so that its changepassword is the one that counts
    "unfold.apps.BasicAppConfig",  # before Django's admin, whose templates it replaces
    "unfold.contrib.filters",
    "peerprep_users.apps.ServiceAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "corsheaders",
    "axes",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "attempts",
    "peerprep_users",
]

MIDDLEWARE = [
    "core.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "peerprep_users.admin_site.middleware.AdminPolicyMiddleware",
    "peerprep_users.admin_site.middleware.AdminSessionMiddleware",
    "peerprep_users.admin_site.middleware.AdminCsrfViewMiddleware",
    "peerprep_users.admin_site.middleware.AdminAuthenticationMiddleware",
    "peerprep_users.admin_site.middleware.AdminMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "peerprep_users.urls"
WSGI_APPLICATION = "peerprep_users.wsgi.application"
APPEND_SLASH = False
ALLOWED_HOSTS = ["*"]  # no answer, link or mail is built from the Host header
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
TRUSTED_PROXY_COUNT = integer("TRUSTED_PROXY_COUNT", 0, 0, 20)
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "peerprep_users.admin_site.backends.EmailBackend"]

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
ADMIN_SESSION = timedelta(hours=12)
LOGIN_REDIRECT_URL = "/admin/"
SESSION_COOKIE_AGE = int(ADMIN_SESSION.total_seconds())
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin"
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
CSRF_FAILURE_VIEW = "core.errors.csrf_failed"
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # the gateway ends TLS, and the contract forbids answers through a redirect
    "security.W003",  # AdminCsrfViewMiddleware is Django's; the check looks for the name
    "models.W040",  # an index with more columns is for PostgreSQL; without them it only reads more
    "axes.W006",  # the contract counts failures per account, from whatever address they come
]


def origins(value: str) -> list[str]:
    found = [word.rstrip("/") for word in words(value)]
    form = r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?"
    if not all(re.fullmatch(form, origin) and urlsplit(origin).port != 0 for origin in found):
        raise ValueError
    return found


CORS_ALLOWED_ORIGINS: list[str] = env(
    "CORS_ALLOWED_ORIGINS", [], origins, "origins such as https://peerprep.example, comma-separated"
)
CORS_ALLOW_ALL_ORIGINS = not CORS_ALLOWED_ORIGINS and not PRODUCTION
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "if-none-match", "x-request-id"]
CORS_EXPOSE_HEADERS = [
    "Content-Disposition",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
    "X-Total-Count",
]

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "peerprep_users" / "templates"],  # before the templates of the theme and of Redoc
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

UNFOLD = {  # the theme of the admin site
    "SITE_SUBHEADER": "Administration, times in UTC",
    "SITE_URL": None,
    "SITE_SYMBOL": "terminal",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": STATIC_URL + "peerprep_users/favicon.svg"}],
    "STYLES": [STATIC_URL + "peerprep_users/admin.css"],
    "SHOW_BACK_BUTTON": True,
    "SHOW_HISTORY": False,  # the audit trail is the record
    "SIDEBAR": {"navigation": "peerprep_users.admin_site.sidebar.sidebar"},
    "DASHBOARD_CALLBACK": "peerprep_users.admin_site.dashboard.show",
    "COLORS": {
        "primary": {
            "50": "oklch(97.7% .013 236.62)",
            "100": "oklch(95.1% .026 236.824)",
            "200": "oklch(90.1% .058 230.902)",
            "300": "oklch(82.8% .111 230.318)",
            "400": "oklch(74.6% .16 232.661)",
            "500": "oklch(62% .169 237.323)",
            "600": "oklch(50% .134 242.749)",
            "700": "oklch(44.3% .11 240.79)",
            "800": "oklch(39.1% .09 240.876)",
            "900": "oklch(33% .075 241.5)",
            "950": "oklch(29.3% .066 243.157)",
        },
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["core.json.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["core.json.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.json.JSONOnly",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.errors.handle",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": APP_NAME,
    "DESCRIPTION": "Accounts, sessions and coding attempts of PeerPrep, where students practise interviews in pairs.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,  # or what is sent would have no least length
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SORT_OPERATIONS": False,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "core.openapi.complete"],
}

BACKGROUND_JOBS = flag("BACKGROUND_JOBS", True)  # false where `manage.py work` runs them

# --- Other services ---------------------------------------------------------------------------------------------------

REDIS_URL = service("REDIS_URL", "redis", "rediss", path="/?[0-9]{0,4}")
RABBITMQ_URL = service("RABBITMQ_URL", "amqp", "amqps")

# --- Logs -----------------------------------------------------------------------------------------------------------

LOG_LEVEL = env(
    "LOG_LEVEL",
    "INFO",
    lambda value: {level: level for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")}[value.upper()],
    "one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request": {"()": "core.logging.RequestFilter"},
        "faults": {"()": "core.logging.FaultFilter"},
        "gunicorn": {"()": "core.logging.GunicornFilter"},
    },
    "formatters": {
        "text": {"()": "core.logging.TextFormatter"},
        "json": {"()": "core.logging.JSONFormatter"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "filters": ["request"],
            "formatter": "json" if PRODUCTION else "text",
        },
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": [], "propagate": True},
        "django.request": {"filters": ["faults"]},  # RequestMiddleware logs every answer already
        "django.security.csrf": {"filters": ["faults"]},  # `errors.csrf_failed` says why
        "django.db.backends": {"level": "INFO"},
        "gunicorn.error": {"filters": ["gunicorn"], "propagate": True},
        "axes": {"level": "WARNING"},
    },
}
