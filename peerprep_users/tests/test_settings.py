"""Settings: what of the environment is understood, and what stops the start."""

import importlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from core.tests.servers import ROOT

RANDOM_KEY = "r4nD0m-kEy/with+32=bytes_or.more~of!it"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the repository's, with the modules that read the environment."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "peerprep_users").mkdir()
    for module in (ROOT / "peerprep_users").glob("*.py"):
        shutil.copy(module, folder / "peerprep_users")
    return folder


@pytest.fixture
def house(copied: Path) -> Iterator[Path]:
    """The folder, whose `.env` is the test's own."""
    yield copied
    (copied / ".env").unlink(missing_ok=True)


def load(house: Path, **variables: str) -> dict[str, Any]:
    """The settings as they are with these variables and no others."""
    package = ModuleType("peerprep_users")
    package.__path__ = [str(house / "peerprep_users")]
    with patch.dict(os.environ, variables, clear=True), patch.dict(sys.modules, peerprep_users=package):
        for name in [name for name in sys.modules if name.startswith("peerprep_users.")]:
            del sys.modules[name]
        return vars(importlib.import_module("peerprep_users.settings"))


def refusal(house: Path, **variables: str) -> str:
    with pytest.raises(SystemExit) as stop:
        load(house, **variables)
    return str(stop.value)


@pytest.mark.parametrize(
    ("name", "value", "setting", "expected"),
    [
        ("APP_NAME", "Users of PeerPrep", "APP_NAME", "Users of PeerPrep"),
        ("ENV", "dev", "PRODUCTION", False),
        ("HOST", "127.0.0.1", "HOST", "127.0.0.1"),
        ("HOST", "users.internal", "HOST", "users.internal"),
        ("HOST", "::", "HOST", "[::]"),
        ("HOST", "[::1]", "HOST", "[::1]"),
        ("PORT", "9001", "PORT", 9001),
        ("PORT", " 9001 ", "PORT", 9001),
        ("SECRET_KEY", "short", "SECRET_KEY", "short"),
        ("ALGORITHM", "HS256", "ALGORITHM", "HS256"),
        ("ALGORITHM", "RS256", "ALGORITHM", "RS256"),
        ("ALGORITHM", "ES256", "ALGORITHM", "ES256"),
        ("ALGORITHM", "EdDSA", "ALGORITHM", "EdDSA"),
        ("ACCESS_TTL_MIN", "30", "ACCESS_TTL", timedelta(minutes=30)),
        ("REFRESH_TTL_DAYS", "14", "REFRESH_TTL", timedelta(days=14)),
        ("LOGIN_FAILURE_LIMIT", "5", "LOGIN_FAILURE_LIMIT", 5),
        ("LOGIN_LOCK_MIN", "1", "LOGIN_LOCK", timedelta(minutes=1)),
        ("RESET_CODE_TTL_MIN", "20", "RESET_CODE_TTL", timedelta(minutes=20)),
        ("UNVERIFIED_DAYS", "30", "UNVERIFIED_TTL", timedelta(days=30)),
        ("SESSION_MAX_DAYS", "60", "SESSION_MAX", timedelta(days=60)),
        ("REFRESH_GRACE_SECONDS", "5", "REFRESH_GRACE", timedelta(seconds=5)),
        ("LEGACY_TOKENS_UNTIL", "2027-01-31T12:00:00Z", "LEGACY_TOKENS_UNTIL", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("LEGACY_TOKENS_UNTIL", "2027-01-31T20:00+08:00", "LEGACY_TOKENS_UNTIL", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("SERVICE_KEYS", "one:a,\none:b:c", "SERVICE_KEYS", [("one", "a"), ("one", "b:c")]),
        ("LEGACY_TOKENS_UNTIL", "2027-01-31", "LEGACY_TOKENS_UNTIL", datetime(2027, 1, 31, tzinfo=UTC)),
        ("MAIL_SERVER", "smtp.example.com", "EMAIL_HOST", "smtp.example.com"),
        ("MAIL_SERVER", "smtp.example.com", "EMAIL_BACKEND", "core.smtp.SMTP"),
        ("MAIL_SERVER", "", "EMAIL_BACKEND", "core.smtp.Console"),
        ("MAIL_PORT", "2525", "EMAIL_PORT", 2525),
        ("MAIL_USERNAME", "mailer", "EMAIL_HOST_USER", "mailer"),
        ("MAIL_PASSWORD", "abcd efgh ijkl", "EMAIL_HOST_PASSWORD", "abcd efgh ijkl"),
        ("MAIL_FROM", "users@example.com", "MAIL_FROM", "users@example.com"),
        ("MAIL_FROM_NAME", "Users", "MAIL_FROM_NAME", "Users"),
        ("MAIL_STARTTLS", "False", "EMAIL_USE_TLS", False),
        ("MAIL_SSL_TLS", "True", "EMAIL_USE_SSL", True),
        ("VALIDATE_CERTS", "false", "EMAIL_VALIDATE_CERTS", False),
        ("PUBLIC_BASE_URL", "https://peerprep.example/", "PUBLIC_BASE_URL", "https://peerprep.example"),
        ("LOG_LEVEL", "debug", "LOG_LEVEL", "DEBUG"),
        ("TRUSTED_PROXY_COUNT", "2", "TRUSTED_PROXY_COUNT", 2),
        (
            "CORS_ALLOWED_ORIGINS",
            "https://a.example, https://b.example",
            "CORS_ALLOWED_ORIGINS",
            ["https://a.example", "https://b.example"],
        ),
        ("CORS_ALLOWED_ORIGINS", "http://localhost:3000/", "CORS_ALLOWED_ORIGINS", ["http://localhost:3000"]),
        ("REDIS_URL", "redis://:p%40ss@redis:6379/0", "REDIS_URL", "redis://:p%40ss@redis:6379/0"),
        ("RABBITMQ_URL", "amqps://user:pass@mq.example/vhost", "RABBITMQ_URL", "amqps://user:pass@mq.example/vhost"),
        ("RATE_LIMIT_ENABLED", "off", "RATE_LIMIT_ENABLED", False),
    ],
)
def test_it_reads(house: Path, name: str, value: str, setting: str, expected: object) -> None:
    assert load(house, **{name: value})[setting] == expected


def test_it_lets_browsers_send_more_headers(house: Path) -> None:
    usual = load(house)["CORS_ALLOW_HEADERS"]
    more = load(house, CORS_ALLOWED_HEADERS="X-Trace, x-b3")["CORS_ALLOW_HEADERS"]
    assert more == [*usual, "x-trace", "x-b3"]


@pytest.mark.parametrize(
    ("name", "value", "calls", "period"),
    [
        ("login", "60/min", 60, timedelta(minutes=1)),
        ("register", "300/5min", 300, timedelta(minutes=5)),
        ("forgot_password", "1/90s", 1, timedelta(seconds=90)),
        ("resend_verification", "100/h", 100, timedelta(hours=1)),
        ("reset_code", "2/s", 2, timedelta(seconds=1)),
        ("refresh", "7/min", 7, timedelta(minutes=1)),
        ("attempts", "9/2h", 9, timedelta(hours=2)),
    ],
)
def test_it_reads_a_rate(house: Path, name: str, value: str, calls: int, period: timedelta) -> None:
    assert load(house, **{f"RATE_LIMIT_{name.upper()}": value})["RATE_LIMITS"][name] == (calls, period)


@pytest.mark.parametrize("value", ["60", "0/min", "60/day", "-1/min", "60 per minute", "1e3/h", "60/0min", "١/min"])
def test_it_refuses_what_is_no_rate(house: Path, value: str) -> None:
    assert "RATE_LIMIT_LOGIN must be" in refusal(house, RATE_LIMIT_LOGIN=value)


def test_only_this_machine_reaches_it_in_development(house: Path) -> None:
    prod = {"ENV": "prod", "SECRET_KEY": RANDOM_KEY, "MAIL_SERVER": "smtp.example.com"}
    assert (load(house)["HOST"], load(house, **prod)["HOST"]) == ("127.0.0.1", "0.0.0.0")


def test_it_has_the_defaults_of_the_contract(house: Path) -> None:
    settings = load(house)
    assert (settings["ENV"], settings["PORT"], settings["ALGORITHM"]) == ("dev", 8001, "HS256")
    assert (settings["ACCESS_TTL"], settings["REFRESH_TTL"]) == (timedelta(minutes=15), timedelta(days=7))
    assert (settings["LOGIN_FAILURE_LIMIT"], settings["LOGIN_LOCK"]) == (3, timedelta(minutes=15))
    assert (settings["RESET_CODE_TTL"], settings["SESSION_MAX"]) == (timedelta(minutes=10), timedelta(days=30))
    assert (settings["REFRESH_GRACE"], settings["TRUSTED_PROXY_COUNT"]) == (timedelta(seconds=10), 0)
    assert settings["UNVERIFIED_TTL"] == timedelta(days=7)
    argon2 = [settings[f"ARGON2_{name}"] for name in ("TIME_COST", "MEMORY_KIB", "PARALLELISM")]
    assert argon2 == [3, 64 * 1024, 4]
    assert settings["RATE_LIMIT_ENABLED"] is True
    assert {name: (rate.calls, rate.period.total_seconds()) for name, rate in settings["RATE_LIMITS"].items()} == {
        "login": (60, 60),
        "register": (100, 3600),
        "forgot_password": (60, 3600),
        "resend_verification": (60, 3600),
        "reset_code": (60, 3600),
        "refresh": (300, 300),
        "attempts": (60, 60),
    }
    assert settings["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"


def test_it_takes_an_empty_variable_for_an_unset_one(house: Path) -> None:
    names = "APP_NAME ENV HOST PORT DATABASE_URL SECRET_KEY ACCESS_TTL_MIN MAIL_PORT MAIL_STARTTLS LOG_LEVEL"
    empty, unset = load(house, **dict.fromkeys(names.split(), "")), load(house)
    settings = [name for name in unset if re.fullmatch(r"[A-Z][A-Z0-9_]+", name)]
    assert [empty[name] for name in settings] == [unset[name] for name in settings]


@pytest.mark.parametrize(
    ("name", "setting", "unit"),
    [
        ("ACCESS_TTL_MIN", "ACCESS_TTL", "minutes"),
        ("REFRESH_TTL_DAYS", "REFRESH_TTL", "days"),
        ("LOGIN_LOCK_MIN", "LOGIN_LOCK", "minutes"),
        ("RESET_CODE_TTL_MIN", "RESET_CODE_TTL", "minutes"),
        ("UNVERIFIED_DAYS", "UNVERIFIED_TTL", "days"),
        ("SESSION_MAX_DAYS", "SESSION_MAX", "days"),
        ("REFRESH_GRACE_SECONDS", "REFRESH_GRACE", "seconds"),
    ],
)
class TestASpanOfTime:
    def test_it_may_be_a_fraction(self, house: Path, name: str, setting: str, unit: str) -> None:
        assert load(house, **{name: "1.5"})[setting] == timedelta(**{unit: 1.5})

    def test_it_must_be_a_positive_number(self, house: Path, name: str, setting: str, unit: str) -> None:
        assert refusal(house, **{name: "0"}).startswith(f"Configuration error: {name} must be ")


@pytest.mark.parametrize("value", ["0.05", ".05", "1.5", "2.", "3"])
def test_it_reads_a_span_of_time(house: Path, value: str) -> None:
    assert load(house, ACCESS_TTL_MIN=value)["ACCESS_TTL"] == timedelta(minutes=float(value))


@pytest.mark.parametrize(
    "value", ["0", "0.0", "-1", "abc", "1e3", "inf", "nan", "1,5", "1 5", "0x1", "1_0", "\u0661", "9" * 400, "."]
)
def test_it_refuses_what_is_no_span_of_time(house: Path, value: str) -> None:
    assert refusal(house, ACCESS_TTL_MIN=value).startswith("Configuration error: ACCESS_TTL_MIN must be ")


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "1", "yes", "on", "y", "t"])
def test_it_knows_words_for_true(house: Path, word: str) -> None:
    assert load(house, MAIL_SSL_TLS=word)["EMAIL_USE_SSL"] is True


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "off", "n", "f"])
def test_it_knows_words_for_false(house: Path, word: str) -> None:
    assert load(house, MAIL_STARTTLS=word)["EMAIL_USE_TLS"] is False


def test_it_sends_no_credentials_where_none_are_to_be_used(house: Path) -> None:
    settings = load(house, USE_CREDENTIALS="false", MAIL_USERNAME="mailer", MAIL_PASSWORD="hidden")
    assert not {"EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD"} & set(settings)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg", "postgresql+psycopg", "postgres"])
def test_it_reads_a_postgresql_url(house: Path, scheme: str) -> None:
    url = f"{scheme}://user:p%40ss%2Fword@db.example:5433/users"
    database = load(house, DATABASE_URL=url)["DATABASES"]["default"]
    facts = [database[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")]
    assert facts == ["user", "p@ss/word", "db.example", 5433, "users"]
    assert "postgresql" in database["ENGINE"]


def test_it_reads_what_asyncpg_was_told(house: Path) -> None:
    url = "postgresql+asyncpg://user:pass@db.example/users?ssl=require&prepared_statement_cache_size=0&timeout=3"
    options = load(house, DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]
    assert (options["sslmode"], str(options["connect_timeout"])) == ("require", "3")
    assert not {"ssl", "timeout", "prepared_statement_cache_size"} & options.keys()


def test_it_names_the_parameter_of_a_url_that_it_does_not_know(house: Path) -> None:
    message = refusal(house, DATABASE_URL="postgresql://user:hidden@db.example/users?pool_size=5")
    assert message.startswith("Configuration error: DATABASE_URL must be without the parameter 'pool_size'")
    assert "hidden" not in message


@pytest.mark.parametrize("parameter", ["connect_timeout=abc", "sslmode=banana", "ssl=true"])
def test_it_refuses_a_value_of_a_url_that_means_nothing(house: Path, parameter: str) -> None:
    message = refusal(house, DATABASE_URL=f"postgresql://user:hidden@db.example/users?{parameter}")
    assert message.startswith("Configuration error: DATABASE_URL must be given ")
    assert "hidden" not in message


def test_it_hands_the_options_of_a_postgresql_url_on(house: Path) -> None:
    url = "postgresql://user:pass@db.example/users?sslmode=require"
    assert load(house, DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]["sslmode"] == "require"


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
def test_it_reads_a_sqlite_url(house: Path, scheme: str) -> None:
    database = load(house, DATABASE_URL=f"{scheme}:////var/lib/users.sqlite3")["DATABASES"]["default"]
    assert (database["ENGINE"], database["NAME"]) == ("django.db.backends.sqlite3", "/var/lib/users.sqlite3")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENV", "staging"),
        ("ENV", "production"),
        ("PORT", "abc"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("PORT", "-8001"),
        ("PORT", "\u0668\u0660\u0660\u0661"),
        ("MAIL_PORT", "smtp"),
        ("MAIL_STARTTLS", "maybe"),
        ("MAIL_SSL_TLS", "2"),
        ("USE_CREDENTIALS", "perhaps"),
        ("VALIDATE_CERTS", "truee"),
        ("ALGORITHM", "none"),
        ("ALGORITHM", "HS1"),
        ("LEGACY_TOKENS_UNTIL", "next week"),
        ("LEGACY_TOKENS_UNTIL", "9999-12-31T23:59:59Z"),
        ("LEGACY_TOKENS_UNTIL", "0001-01-01T00:00:00+23:59"),
        ("SERVICE_KEYS", "hidden"),
        ("SERVICE_KEYS", "matching:"),
        ("SERVICE_KEYS", ":hidden"),
        ("SERVICE_KEYS", "Matching:hidden"),
        ("SERVICE_KEYS", "matching:hidd\xebn"),
        ("SERVICE_KEYS", "matching:hidden\nquestions:hidden"),
        ("LOG_LEVEL", "chatty"),
        ("LOGIN_FAILURE_LIMIT", "0"),
        ("LOGIN_FAILURE_LIMIT", "2.5"),
        ("LOGIN_FAILURE_LIMIT", "many"),
        ("TRUSTED_PROXY_COUNT", "-1"),
        ("TRUSTED_PROXY_COUNT", "all"),
        ("ARGON2_MEMORY_KIB", "64MiB"),
        ("PUBLIC_BASE_URL", "peerprep.example"),
        ("PUBLIC_BASE_URL", "ftp://peerprep.example"),
        ("PUBLIC_BASE_URL", "https:///users"),
        ("PUBLIC_BASE_URL", "http://[::1"),
        ("DATABASE_URL", "mysql://user:hidden@db.example/users"),
        ("DATABASE_URL", "db.example"),
        ("DATABASE_URL", "postgresql://user:hidden@db.example:port/users"),
        ("DATABASE_URL", "postgresql://user:hidden@[db.example/users"),
        ("DATABASE_URL", "postgresql://"),
        ("DATABASE_URL", "postgresql://user:hidden@db.example/"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("HOST", "0.0.0.0:8001"),
        ("HOST", "http://users.internal"),
        ("HOST", "two words"),
        ("HOST", "::zz"),
        ("MAIL_FROM", "PeerPrep"),
        ("MAIL_FROM", "PeerPrep <users@example.com>"),
        ("MAIL_FROM", "users@example.com\r\nBcc: all@example.com"),
        ("MAIL_FROM", "users@stra\xdfe.example"),
        ("MAIL_SERVER", "smtp.stra\xdfe.example"),
        ("MAIL_USERNAME", "mail\xebr"),
        ("MAIL_PASSWORD", "hidd\xebn"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CORS_ALLOWED_ORIGINS", "peerprep.example"),
        ("CORS_ALLOWED_ORIGINS", "https://peerprep.example/app"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example https://b.example"),
        ("RATE_LIMIT_ENABLED", "sometimes"),
        ("MAIL_FROM_NAME", "PeerPrep\r\nBcc: all@example.com"),
        ("APP_NAME", "Peer\x07Prep"),
        ("MAIL_SERVER", "smtp.example.com:25"),
        ("MAIL_SERVER", "http://smtp.example.com"),
        ("MAIL_SERVER", "two words"),
        ("PUBLIC_BASE_URL", "http://two words"),
        ("PUBLIC_BASE_URL", "http://peerprep.example:abc"),
        ("PUBLIC_BASE_URL", "http://peerprep.example:99999"),
        ("PUBLIC_BASE_URL", "http://peerprep.example/?next=1"),
        ("CORS_ALLOWED_ORIGINS", "https://peerprep.example:99999"),
        ("CORS_ALLOWED_HEADERS", "*"),
        ("CORS_ALLOWED_HEADERS", "x-trace: 1"),
        ("HOST", "-"),
        ("HOST", "[::1"),
        ("REDIS_URL", "redis://redis/0?db=abc"),
        ("REDIS_URL", "redis://redis/abc"),
        ("REDIS_URL", "redis"),
        ("REDIS_URL", "http://:hidden@redis:6379"),
        ("REDIS_URL", "redis://:hidden@redis:port"),
        ("RABBITMQ_URL", "rabbitmq:5672"),
        ("RABBITMQ_URL", "amqp:///vhost"),
    ],
)
def test_it_refuses(house: Path, name: str, value: str) -> None:
    message = refusal(house, **{name: value})
    assert message.startswith(f"Configuration error: {name} must be ")
    assert "\n" not in message
    assert "hidden" not in message
    assert message == refusal(house, **{name: "\a"})  # it never shows the value


def test_it_refuses_to_print_mail_in_production(house: Path) -> None:
    message = refusal(house, ENV="prod", SECRET_KEY=RANDOM_KEY)
    assert message.startswith("Configuration error: MAIL_SERVER must be set with ENV=prod")
    assert "\n" not in message


def test_it_looks_passwords_up_where_a_folder_is_given(house: Path, tmp_path: Path) -> None:
    def last(**variables: str) -> dict[str, Any]:
        validator: dict[str, Any] = load(house, **variables)["AUTH_PASSWORD_VALIDATORS"][-1]
        return validator

    assert last(BREACHED_PASSWORDS_DIR=str(tmp_path))["OPTIONS"] == {"folder": tmp_path}
    assert last()["OPTIONS"] == {"words": ["PeerPrep", "PeerPrep User Service"]}
    assert last(PASSWORD_CONTEXT_WORDS="Pair & Co, pairs")["OPTIONS"] == {"words": ["Pair & Co", "pairs"]}
    assert "BREACHED_PASSWORDS_DIR must be a folder" in refusal(house, BREACHED_PASSWORDS_DIR=f"{tmp_path}/none")


def test_it_takes_earlier_tokens_only_where_the_shared_secret_signs(house: Path) -> None:
    message = refusal(house, ALGORITHM="ES256", LEGACY_TOKENS_UNTIL="2027-01-31")
    assert message.startswith("Configuration error: ALGORITHM must be HS256 with LEGACY_TOKENS_UNTIL")


def test_it_refuses_both_kinds_of_tls(house: Path) -> None:
    assert "MAIL_STARTTLS" in refusal(house, MAIL_SSL_TLS="true", MAIL_STARTTLS="true")


class TestTheSecretKey:
    @pytest.mark.parametrize(
        "key",
        [
            "",
            "   ",
            "hidden",
            RANDOM_KEY[:31],
            "a" * 64,
            "hidden" * 10,
            "peerprep-development-key-that-production-refuses",
            "change-me-change-me-change-me-change-me",
            "CHANGEME-0123456789abcdef0123456789abcdef",
            "your-secret-key-here-0123456789abcdefghij",
            "django-insecure-0123456789abcdefghijklmnop",
            "my-super-secret-key-change-in-production",
            "dev-0123456789abcdef-ghijklmnop-qrstuvwx",
            "this-is-only-a-Placeholder-0123456789abcdef",
            "0123456789abcdef0123456789abcdef",
            "<put a long string of your own here, please>",
            "qwertyuiopasdfghjklzxcvbnm-qwertyuiop",
            "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        ],
    )
    def test_it_is_refused_in_production_where_it_is_no_secret(self, house: Path, key: str) -> None:
        message = refusal(house, ENV="prod", SECRET_KEY=key)
        assert message.startswith("Configuration error: SECRET_KEY must be ")
        assert not key.strip() or key not in message

    def test_it_is_refused_in_production_where_it_is_missing(self, house: Path) -> None:
        assert refusal(house, ENV="prod").startswith("Configuration error: SECRET_KEY must be ")

    def test_it_is_taken_in_production_where_it_is_random(self, house: Path) -> None:
        settings = load(house, ENV="prod", SECRET_KEY=RANDOM_KEY, MAIL_SERVER="smtp.example.com")
        assert settings["SECRET_KEY"] == RANDOM_KEY

    @pytest.mark.parametrize("name", ["SECRET_KEY", "MAIL_PASSWORD"])
    def test_it_is_taken_exactly(self, house: Path, name: str) -> None:
        # The sibling services verify tokens with the very same one.
        setting = {"SECRET_KEY": "SECRET_KEY", "MAIL_PASSWORD": "EMAIL_HOST_PASSWORD"}[name]
        assert load(house, **{name: f" {RANDOM_KEY} "})[setting] == f" {RANDOM_KEY} "


class TestADotEnvFile:
    """By the grammar of python-dotenv, as the earlier service read it."""

    FILE = r"""
# The user service
APP_NAME="PeerPrep User Service"   # shown in mails
export ENV=dev
HOST = 0.0.0.0
PORT=9001 # not the default

DATABASE_URL='postgresql+asyncpg://user:pa$$word@db:5432/users'
SECRET_KEY='s3cret # "with" $signs'
ALGORITHM=HS256
ACCESS_TTL_MIN=15
REFRESH_TTL_DAYS=7
MAIL_USERNAME=
MAIL_PASSWORD="abcd efgh"
MAIL_FROM=no-reply@peerprep.example
MAIL_FROM_NAME="Peer\tPrep"
MAIL_SERVER=smtp.peerprep.example
MAIL_STARTTLS=True
MAIL_SSL_TLS=False
USE_CREDENTIALS=True
VALIDATE_CERTS=True
PUBLIC_BASE_URL=http://localhost:${PORT}
FRONTEND_URL=http://localhost:3000
BARE
"""

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_it_works_unchanged(self, house: Path, end: str) -> None:
        (house / ".env").write_bytes(self.FILE.replace("\n", end).encode())
        settings = load(house)
        assert (settings["APP_NAME"], settings["ENV"], settings["HOST"]) == ("PeerPrep User Service", "dev", "0.0.0.0")
        assert (settings["PORT"], settings["PUBLIC_BASE_URL"]) == (9001, "http://localhost:9001")
        assert settings["DATABASES"]["default"]["PASSWORD"] == "pa$$word"
        assert settings["SECRET_KEY"] == 's3cret # "with" $signs'
        assert (settings["EMAIL_HOST_USER"], settings["EMAIL_HOST_PASSWORD"]) == ("", "abcd efgh")
        assert (settings["MAIL_FROM_NAME"], settings["EMAIL_USE_TLS"]) == ("Peer\tPrep", True)

    def test_it_never_overrides_the_environment(self, house: Path) -> None:
        (house / ".env").write_text("PORT=9001\nHOST=127.0.0.2\n")
        settings = load(house, PORT="9002")
        assert (settings["PORT"], settings["HOST"]) == (9002, "127.0.0.2")

    def test_it_is_refused_by_the_name_of_what_is_wrong(self, house: Path) -> None:
        (house / ".env").write_text("SECRET_KEY=hidden\nPORT=nonsense\n")
        assert refusal(house).startswith("Configuration error: PORT must be ")

    def test_it_may_begin_with_a_byte_order_mark(self, house: Path) -> None:
        (house / ".env").write_bytes("PORT=9001\n".encode("utf-8-sig"))
        assert load(house)["PORT"] == 9001

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
    def test_it_is_refused_in_another_encoding(self, house: Path, encoding: str) -> None:
        (house / ".env").write_bytes("SECRET_KEY=hidden\nMAIL_FROM_NAME=Zoë\n".encode(encoding))
        line = f"Configuration error: {house / '.env'} must be text in UTF-8. Save it in that encoding."
        assert refusal(house) == line


class TestASecretInAFile:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "secret"

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_it_counts_like_the_variable(self, house: Path, file: Path, end: str) -> None:
        file.write_bytes(f"postgresql://user:s3cret@db/users{end}".encode())
        assert load(house, DATABASE_URL_FILE=str(file))["DATABASES"]["default"]["PASSWORD"] == "s3cret"
        file.write_bytes(f" {RANDOM_KEY}{end}".encode())
        assert load(house, ENV="prod", MAIL_SERVER="mail", SECRET_KEY_FILE=str(file))["SECRET_KEY"] == f" {RANDOM_KEY}"
        assert load(house, MAIL_PASSWORD_FILE=str(file))["EMAIL_HOST_PASSWORD"] == f" {RANDOM_KEY}"

    def test_an_empty_variable_beside_it_counts_as_absent(self, house: Path, file: Path) -> None:
        file.write_text(RANDOM_KEY)
        assert load(house, SECRET_KEY="", SECRET_KEY_FILE=str(file))["SECRET_KEY"] == RANDOM_KEY

    def test_it_is_refused_beside_the_variable(self, house: Path, file: Path) -> None:
        line = "Configuration error: SECRET_KEY must be unset where SECRET_KEY_FILE is set."
        assert refusal(house, SECRET_KEY=RANDOM_KEY, SECRET_KEY_FILE=str(file)) == line

    @pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe\x00"])
    def test_it_is_refused_if_nothing_can_be_read(self, house: Path, file: Path, content: bytes | None) -> None:
        if content is not None:
            file.write_bytes(content)
        line = refusal(house, SECRET_KEY_FILE=str(file))
        assert line.startswith("Configuration error: SECRET_KEY_FILE must be a file ")

    def test_what_it_holds_is_never_shown(self, house: Path, file: Path) -> None:
        file.write_text("mysql://hidden")
        assert "hidden" not in refusal(house, DATABASE_URL_FILE=str(file))

    def test_other_variables_cannot_come_from_files(self, house: Path, file: Path) -> None:
        file.write_text("prod")
        assert load(house, ENV_FILE=str(file))["ENV"] == "dev"


@pytest.mark.parametrize(
    ("mebibytes", "variables", "processes", "hashes"),
    [
        (512, {}, 2, 1),
        (1024, {}, 4, 1),
        (65536, {}, 128, 1),
        (512, {"ARGON2_MEMORY_KIB": "1024"}, 2, 32),
        (2048, {"WEB_CONCURRENCY": "2"}, 2, 10),
    ],
)
def test_processes_and_hashes_fit_into_the_memory(
    house: Path, monkeypatch: pytest.MonkeyPatch, mebibytes: int, variables: dict[str, str], processes: int, hashes: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": mebibytes * 256}.__getitem__)
    settings = load(house, **variables)
    assert (settings["WORKERS"], settings["ARGON2_CONCURRENCY"]) == (processes, hashes)
