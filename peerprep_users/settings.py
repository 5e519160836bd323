"""Every setting of the service, read once from the environment (and from `.env`, which never overrides it)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from core.host import memory_bytes, processors
from core.sqlite import PrivateConnection
from peerprep_users import env

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_file(BASE_DIR / ".env")

# --- The service ----------------------------------------------------------------------------------------------------

APP_NAME = env.text("APP_NAME", "PeerPrep User Service")
ENV = env.one_of("ENV", "dev", "dev", "prod")
PRODUCTION = ENV == "prod"

# In development only this machine should reach it, since its key is public. In a container this is the only way to it.
HOST = env.host("HOST", "0.0.0.0" if PRODUCTION else "127.0.0.1", "a host name or an IP address")  # noqa: S104
PORT = env.integer("PORT", 8001, 1, 65535)
DEBUG = False  # also in development: every answer is the documented JSON
PUBLIC_BASE_URL = env.base_url("PUBLIC_BASE_URL", f"http://localhost:{PORT}")

# --- Keys and tokens ------------------------------------------------------------------------------------------------

DEVELOPMENT_KEY = "peerprep-development-key-that-production-refuses"


def secret_key(value: str) -> str:
    if PRODUCTION and not env.is_safe_key(value):
        raise ValueError
    return value


SAFE_KEY = "a random secret of its own, of 32 bytes or more, with ENV=prod"
SECRET_KEY = env.read("SECRET_KEY", "", secret_key, SAFE_KEY, exact=True)
if not SECRET_KEY:
    if PRODUCTION:
        env.refuse("SECRET_KEY", "set with ENV=prod, to a random secret of 32 bytes or more")
    SECRET_KEY = DEVELOPMENT_KEY

SECRET_KEY_FALLBACKS: list[str] = env.read(
    "SECRET_KEY_FALLBACKS",
    [],
    lambda value: [secret_key(key) for key in env.split_list(value)],
    "earlier values of SECRET_KEY, comma-separated, each as safe as SECRET_KEY",
)
ALGORITHM = env.one_of("ALGORITHM", "HS256", "HS256", "RS256", "ES256", "EdDSA")
JWKS_MAX_AGE = timedelta(minutes=10)  # how long a verifier may go by what it has fetched
KEY_RING_TTL = timedelta(seconds=5)  # how long a process goes by what it has read
ACCESS_TTL = env.duration("ACCESS_TTL_MIN", 15, "minutes")
REFRESH_TTL = env.duration("REFRESH_TTL_DAYS", 7, "days")
REFRESH_GRACE = env.duration("REFRESH_GRACE_SECONDS", 10, "seconds")
SESSION_MAX = env.duration("SESSION_MAX_DAYS", 30, "days")
LEGACY_TOKENS_UNTIL = env.moment("LEGACY_TOKENS_UNTIL")
if LEGACY_TOKENS_UNTIL and ALGORITHM != "HS256":
    env.refuse("ALGORITHM", "HS256 with LEGACY_TOKENS_UNTIL: the earlier service signed with SECRET_KEY")

SERVICE_KEYS = env.service_keys("SERVICE_KEYS", lambda key: env.is_safe_key(key) or not PRODUCTION)

SIMPLE_JWT = {"TOKEN_TYPE_CLAIM": "type"}

# --- Passwords, lockout, codes --------------------------------------------------------------------------------------

PASSWORD_HASHERS = ["accounts.hashing.Argon2id"]
ARGON2_TIME_COST = env.integer("ARGON2_TIME_COST", 3, 1, 100)
ARGON2_MEMORY_KIB = env.integer("ARGON2_MEMORY_KIB", 65536, 64, 4_194_304)
ARGON2_PARALLELISM = env.integer("ARGON2_PARALLELISM", 4, 1, 64)

# Processes: two for each processor, if three quarters of the memory hold that many, each with a hash under way.
HASH_MEMORY = ARGON2_MEMORY_KIB * 1024
PROCESS_MEMORY = 128 * 1024**2 + HASH_MEMORY
MEMORY = int(memory_bytes() * 0.75)
WORKERS_THAT_FIT = MEMORY // PROCESS_MEMORY
WORKERS = env.integer("WEB_CONCURRENCY", max(1, min(2 * processors(), WORKERS_THAT_FIT)), 1, 1000)

# Hashes at once in each process: a processor for each, if its share of the memory holds that many.
HASHES_THAT_FIT = 1 + (MEMORY // WORKERS - PROCESS_MEMORY) // HASH_MEMORY
ARGON2_CONCURRENCY = env.integer("ARGON2_CONCURRENCY", max(1, min(processors() // WORKERS, HASHES_THAT_FIT)), 1, 64)
ARGON2_WAITING = 31  # more that wait for their turn; any further is told to come again
REQUEST_TIME = timedelta(seconds=5)  # within which a request is answered, with all that it waits for
LOGIN_WAITING = 24  # that wait for another guess at the same account
CONFIRMATIONS_WAITING = 60  # requests of users who are signed in, for a hash
SLOW_CLIENTS = 16  # that a thread waits for: see core/slow_clients.py
# Some are left for every other call.
REQUEST_THREADS = ARGON2_CONCURRENCY + ARGON2_WAITING + LOGIN_WAITING + CONFIRMATIONS_WAITING + 4
THREADS = REQUEST_THREADS + SLOW_CLIENTS + 6  # so that `/healthz` is answered however many wait or send files

AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "accounts.password_validators.SimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "name"]},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "accounts.password_validators.MaximumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "accounts.password_validators.ContextWordValidator",
        "OPTIONS": {"words": env.split_list(env.text("PASSWORD_CONTEXT_WORDS", f"PeerPrep,{APP_NAME}"))},
    },
]
if BREACHED_PASSWORDS := env.folder("BREACHED_PASSWORDS_DIR"):
    AUTH_PASSWORD_VALIDATORS.append(
        {"NAME": "accounts.password_validators.BreachedPasswordValidator", "OPTIONS": {"folder": BREACHED_PASSWORDS}}
    )

LOGIN_FAILURE_LIMIT = env.integer("LOGIN_FAILURE_LIMIT", 3, 1, 1000)
LOGIN_LOCK = env.duration("LOGIN_LOCK_MIN", 15, "minutes")
RESET_CODE_TTL = env.duration("RESET_CODE_TTL_MIN", 10, "minutes")
VERIFICATION_TTL = timedelta(days=2)
UNVERIFIED_TTL = env.duration("UNVERIFIED_DAYS", 7, "days")

RATE_LIMIT_ENABLED = env.flag("RATE_LIMIT_ENABLED", True)
RATE_LIMITS = {  # per client address; attempts per user
    "login": env.rate("RATE_LIMIT_LOGIN", "60/min"),
    "register": env.rate("RATE_LIMIT_REGISTER", "100/h"),
    "forgot_password": env.rate("RATE_LIMIT_FORGOT_PASSWORD", "60/h"),
    "resend_verification": env.rate("RATE_LIMIT_RESEND_VERIFICATION", "60/h"),
    "reset_code": env.rate("RATE_LIMIT_RESET_CODE", "60/h"),
    "refresh": env.rate("RATE_LIMIT_REFRESH", "300/5min"),  # of refused ones
    "attempts": env.rate("RATE_LIMIT_ATTEMPTS", "60/min"),
}

AXES_HANDLER = "accounts.login_guard.AccountHandler"
AXES_FAILURE_LIMIT = LOGIN_FAILURE_LIMIT
AXES_COOLOFF_TIME = LOGIN_LOCK
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "core.client.ip_of"
AXES_USERNAME_FORM_FIELD = "username"
AXES_ENABLE_ADMIN = False

# --- Mail -----------------------------------------------------------------------------------------------------------

EMAIL_HOST = env.host("MAIL_SERVER", "", "the name or the address of an SMTP server")
EMAIL_PORT = env.integer("MAIL_PORT", 587, 1, 65535)
EMAIL_USE_SSL = env.flag("MAIL_SSL_TLS", False)
EMAIL_USE_TLS = env.flag("MAIL_STARTTLS", not EMAIL_USE_SSL)
EMAIL_VALIDATE_CERTS = env.flag("VALIDATE_CERTS", True)
EMAIL_TIMEOUT = 10
EMAIL_BACKEND = "core.smtp.SMTP" if EMAIL_HOST else "core.smtp.Console"
if env.flag("USE_CREDENTIALS", True):
    EMAIL_HOST_USER = env.text("MAIL_USERNAME", only_ascii=True)  # smtplib signs in with nothing else
    EMAIL_HOST_PASSWORD = env.text("MAIL_PASSWORD", exact=True, only_ascii=True)
if PRODUCTION and not EMAIL_HOST:
    env.refuse("MAIL_SERVER", "set with ENV=prod: without it mail is printed, with its codes and links")
if EMAIL_USE_SSL and EMAIL_USE_TLS:
    env.refuse("MAIL_STARTTLS", "false where MAIL_SSL_TLS is true")

MAIL_FROM = env.email("MAIL_FROM", "no-reply@peerprep.localhost")
MAIL_FROM_NAME = env.text("MAIL_FROM_NAME", "PeerPrep")

# --- Data -----------------------------------------------------------------------------------------------------------

POSTGRES_OPTIONS: dict[str, Any] = {  # without `options`, which PgBouncer refuses; time limits are in core/postgresql
    "connect_timeout": 3,
    "server_side_binding": True,
    "prepare_threshold": 5,  # a statement that comes again is not parsed and planned again
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
SQLITE_OPTIONS: dict[str, Any] = {
    "factory": PrivateConnection,
    "transaction_mode": "IMMEDIATE",
    "timeout": 5,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}

DATABASE = env.database("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}")
if DATABASE["ENGINE"].endswith("sqlite3"):
    DATABASE["OPTIONS"] = SQLITE_OPTIONS
else:
    DATABASE["ENGINE"] = "core.postgresql"
    DATABASE["OPTIONS"] = {**POSTGRES_OPTIONS, **DATABASE.get("OPTIONS", {})}
    DATABASE |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    # PgBouncer may give each statement outside a transaction another connection, which has no such cursor.
    DATABASE["DISABLE_SERVER_SIDE_CURSORS"] = True
# Without ATOMIC_REQUESTS: DRF would roll the failure counts back with every error that it answers.
DATABASES = {"default": DATABASE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
TIME_ZONE = "UTC"
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
    "core.middleware.CorsMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "peerprep_users.admin_site.middleware.AdminMiddleware",
]

ROOT_URLCONF = "peerprep_users.urls"
WSGI_APPLICATION = "peerprep_users.wsgi.application"
APPEND_SLASH = False
ALLOWED_HOSTS = ["*"]  # no answer, link or mail is built from the Host header
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXY_COUNT", 0, 0, 20)
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "peerprep_users.admin_site.backends.UserBackend"]

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
ADMIN_SESSION = timedelta(hours=12)
LOGIN_REDIRECT_URL = "/admin/"
SESSION_COOKIE_AGE = int(ADMIN_SESSION.total_seconds())
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
CSRF_FAILURE_VIEW = "core.errors.csrf_failed"
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # the gateway ends TLS, and the contract forbids answers through a redirect
    *("admin.E408", "admin.E409", "admin.E410", "axes.W002", "security.W003"),  # AdminMiddleware has what they miss
    "models.W040",  # an index with more columns is for PostgreSQL; without them it only reads more
]
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_ALL_ORIGINS = not CORS_ALLOWED_ORIGINS and not PRODUCTION
CORS_ALLOW_HEADERS = [
    *("accept", "authorization", "content-type", "idempotency-key", "x-request-id"),
    *("baggage", "sentry-trace", "traceparent", "tracestate"),  # tracing in the front end
    *env.header_names("CORS_ALLOWED_HEADERS"),
]
CORS_EXPOSE_HEADERS = [
    "Content-Disposition",
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
    "staticfiles": {"BACKEND": "peerprep_users.static_files.OwnHostStorage"},
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
    "SCRIPTS": [STATIC_URL + "peerprep_users/admin.js"],
    "SHOW_BACK_BUTTON": True,
    "SHOW_HISTORY": False,  # the audit trail is the record
    "SIDEBAR": {"navigation": "peerprep_users.admin_site.sidebar.sidebar", "show_search": True},
    "DASHBOARD_CALLBACK": "peerprep_users.admin_site.dashboard.show",
    "COLORS": {
        "primary": {
            "50": "oklch(97.7% .013 236.62)",
            "100": "oklch(95.1% .026 236.824)",
            "200": "oklch(90.1% .058 230.902)",
            "300": "oklch(82.8% .111 230.318)",
            "400": "oklch(74.6% .16 232.661)",
            "500": "oklch(65% .169 237.323)",
            "600": "oklch(50% .134 242.749)",
            "700": "oklch(44.3% .11 240.79)",
            "800": "oklch(39.1% .09 240.876)",
            "900": "oklch(33% .075 241.5)",
            "950": "oklch(29.3% .066 243.157)",
        },
        "font": {"subtle-light": "oklch(52% .027 264.364)"},  # a contrast of 4.5:1 on tinted backgrounds too
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["core.json.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["core.json.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.json.JSONOnly",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "core.openapi.ApiSchema",
    "EXCEPTION_HANDLER": "core.errors.handle",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": APP_NAME,
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": True},
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,  # or what is sent would have no least length
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,  # a serializer's docstring is for readers of the code
    "ENUM_NAME_OVERRIDES": {  # what clients call them
        "Role": "accounts.models.Role",
        "MailKind": "accounts.models.Mail.Kind",
        "MailState": "accounts.models.Mail.State",
        "EventKind": "accounts.audit.models.AuditEntry.Kind",
        "ActorKind": "accounts.audit.models.AuditEntry.ActorKind",
    },
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SORT_OPERATIONS": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "peerprep_users.health.document_health",
        "peerprep_users.api_docs.introduce",
        "peerprep_users.api_docs.order_methods",
    ],
}

BACKGROUND_JOBS = env.flag("BACKGROUND_JOBS", True)  # false where `manage.py work` runs them

# --- Other services ---------------------------------------------------------------------------------------------------

REDIS_URL = env.service_url("REDIS_URL", "redis", "rediss", path="/?[0-9]{0,4}")
RABBITMQ_URL = env.service_url("RABBITMQ_URL", "amqp", "amqps")

# --- Logs -----------------------------------------------------------------------------------------------------------

LOG_LEVEL = env.one_of("LOG_LEVEL", "INFO", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request": {"()": "core.logging.RequestFilter"},
        "faults": {"()": "core.logging.FaultFilter"},
    },
    "formatters": {"line": {"()": "core.logging.JSONFormatter" if PRODUCTION else "core.logging.TextFormatter"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "filters": ["request"],
            "formatter": "line",
        },
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": [], "propagate": True},
        "django.request": {"filters": ["faults"]},  # RequestMiddleware logs every answer already
        "django.security.csrf": {"filters": ["faults"]},  # `errors.csrf_failed` says why
        "django.db.backends": {"level": "INFO"},
        "gunicorn.error": {"propagate": True},
        "axes": {"level": "WARNING"},
        "pika": {"level": "CRITICAL"},  # what it raises is logged once, by `core.publisher`
    },
}
