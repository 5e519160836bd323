"""Typed reading of environment variables. One that does not parse stops the start with one line that names it."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import dj_database_url
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from dotenv import load_dotenv
from psycopg.pq import Conninfo

from core.times import in_utc

T = TypeVar("T")

LONGEST = timedelta(days=3650)
SECRET_VARIABLES = {
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "SERVICE_KEYS"),
    *("DATABASE_URL", "MAIL_PASSWORD", "REDIS_URL", "RABBITMQ_URL"),
}


def load_file(path: Path) -> None:
    """Adds what a file of variables sets to the environment, which it never overrides."""
    try:
        load_dotenv(path)
    except ValueError:  # bytes that are not UTF-8, or the NUL characters that UTF-16 looks to have
        raise SystemExit(f"Configuration error: {path} must be text in UTF-8. Save it in that encoding.") from None
    except OSError as exc:
        raise SystemExit(f"Configuration error: {path} cannot be read: {exc.strerror}.") from None


def refuse(name: str, wanted: str) -> NoReturn:
    raise SystemExit(f"Configuration error: {name} must be {wanted}.")


def read(name: str, default: T, parse: Callable[[str], T], wanted: str, *, exact: bool = False) -> T:
    """The variable `name`, parsed; `default` where it is unset or empty. The value is never shown: it may be a secret.

    A secret may be in a file instead, which the variable `name`_FILE names.

    Args:
        parse: raises ValueError, KeyError, OverflowError or Django's ValidationError for a value that is not `wanted`.
        exact: keep the space around the value.
    """
    value = os.environ.get(name, "")
    if name in SECRET_VARIABLES and (file := os.environ.get(f"{name}_FILE", "").strip()):
        if value.strip():
            refuse(name, f"unset where {name}_FILE is set")
        value = read_secret(name, Path(file))
    if not value.strip():
        return default
    try:
        return parse(value if exact else value.strip())
    except (ValueError, KeyError, OverflowError, ValidationError):
        refuse(name, wanted)


def read_secret(name: str, file: Path) -> str:
    """What the file says, without the newline that editors put at its end."""
    try:
        value = file.read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, ValueError):
        refuse(f"{name}_FILE", "a file of text in UTF-8 that the service can read")
    if not value.strip():
        refuse(f"{name}_FILE", "a file that is not empty")
    return value


# --- Simple values --------------------------------------------------------------------------------------------------


def text(name: str, default: str = "", *, exact: bool = False, only_ascii: bool = False) -> str:
    def parse(value: str) -> str:
        if not value.replace("\t", " ").isprintable() or (only_ascii and not value.isascii()):
            raise ValueError
        return value

    wanted = "text without control characters"
    return read(name, default, parse, f"ASCII {wanted}" if only_ascii else wanted, exact=exact)


def one_of(name: str, default: str, *choices: str) -> str:
    """One of the words, in any case."""
    meanings = {choice.casefold(): choice for choice in choices}
    return read(name, default, lambda value: meanings[value.casefold()], f"one of {', '.join(choices)}")


def flag(name: str, default: bool) -> bool:
    meanings = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True)
    meanings |= dict.fromkeys(("0", "false", "f", "no", "n", "off"), False)
    return read(name, default, lambda value: meanings[value.lower()], "true or false")


def integer(name: str, default: int, least: int, most: int) -> int:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]+", value) or not least <= int(value) <= most:
            raise ValueError
        return int(value)

    return read(name, default, parse, f"a whole number from {least} to {most}")


def duration(name: str, default: float, unit: Literal["days", "minutes", "seconds"]) -> timedelta:
    """A positive span of time of at most ten years; fractions are allowed."""

    def parse(value: str) -> timedelta:
        if not re.fullmatch(r"[0-9]*\.?[0-9]+|[0-9]+\.", value):
            raise ValueError
        span = timedelta(**{unit: float(value)})
        if not timedelta(0) < span <= LONGEST:
            raise ValueError
        return span

    return read(name, timedelta(**{unit: default}), parse, f"a positive number of {unit}, up to ten years")


def moment(name: str) -> datetime | None:
    """A time in ISO 8601, in UTC unless it names an offset, at most ten years ahead; None where it is unset."""

    def parse(value: str) -> datetime:
        time = in_utc(datetime.fromisoformat(value))
        if time - datetime.now(UTC) > LONGEST:
            raise ValueError
        return time

    return read(name, None, parse, "a time in ISO 8601, such as 2027-01-31T12:00:00Z, up to ten years ahead")


class Rate(NamedTuple):
    calls: int
    period: timedelta


RATE_UNITS = {"s": "seconds", "min": "minutes", "h": "hours"}


def rate(name: str, default: str) -> Rate:
    """A number of calls in a time: `60/min`, `300/5min`, `100/h`."""

    def parse(value: str) -> Rate:
        match = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,3})?(s|min|h)", value)
        if not match:
            raise ValueError
        calls, length, unit = match.groups()
        return Rate(int(calls), timedelta(**{RATE_UNITS[unit]: int(length or 1)}))

    return read(name, parse(default), parse, "a number of calls in a time, such as 60/min, 300/5min or 100/h")


def split_list(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def folder(name: str) -> Path | None:
    """A folder that exists; None where it is unset."""

    def parse(value: str) -> Path:
        if not Path(value).is_dir():
            raise ValueError
        return Path(value)

    return read(name, None, parse, "a folder that exists")


def email(name: str, default: str) -> str:
    def parse(value: str) -> str:
        validate_email(value)
        if not value.isascii():
            raise ValueError
        return value

    return read(name, default, parse, "an e-mail address in ASCII, with an international domain in its xn-- form")


def service_keys(name: str, is_safe: Callable[[str], bool]) -> list[tuple[str, str]]:
    """Keys of other services, comma-separated, each after the name of its service and a colon."""

    def parse(value: str) -> list[tuple[str, str]]:
        pairs = [re.fullmatch(r"([a-z0-9-]{1,32}):([ -~]+)", part) for part in split_list(value)]
        if not all(pair and is_safe(pair[2]) for pair in pairs):
            raise ValueError
        return [(pair[1], pair[2]) for pair in pairs if pair]

    wanted = "name:key pairs in ASCII, comma-separated, each key a random secret of 32 bytes or more"
    return read(name, [], parse, wanted)


# --- Hosts and URLs -------------------------------------------------------------------------------------------------


def host(name: str, default: str, wanted: str) -> str:
    """A host name or an IP address; an IPv6 address gets the brackets that a URL puts around it."""
    label = r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?"

    def parse(value: str) -> str:
        if re.fullmatch(rf"{label}(\.{label})*\.?", value):
            return value
        return f"[{IPv6Address(value[1:-1] if value.startswith('[') and value.endswith(']') else value)}]"

    return read(name, default, parse, wanted)


def base_url(name: str, default: str) -> str:
    """What links begin with, without a slash at its end."""

    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError
        if not re.fullmatch(r"[!-~]+", value) or parts.query or parts.fragment:
            raise ValueError
        return value.rstrip("/")

    return read(name, default, parse, "an http:// or https:// address")


def origins(name: str) -> list[str]:
    """Web origins (RFC 6454), comma-separated."""
    origin = r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?"

    def parse(value: str) -> list[str]:
        found = [part.rstrip("/") for part in split_list(value)]
        if not all(re.fullmatch(origin, each) and urlsplit(each).port != 0 for each in found):
            raise ValueError
        return found

    return read(name, [], parse, "origins such as https://peerprep.example, comma-separated")


def header_names(name: str) -> list[str]:
    """Names of HTTP headers, comma-separated, in lower case."""

    def parse(value: str) -> list[str]:
        found = [part.lower() for part in split_list(value)]
        if not all(re.fullmatch(r"[a-z0-9-]+", each) for each in found):
            raise ValueError
        return found

    return read(name, [], parse, "names of headers, comma-separated")


def service_url(name: str, *schemes: str, path: str = ".*") -> str:
    """The URL of another service, with one of these schemes and a path that matches; empty where it is unset."""

    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not parts.hostname or parts.port == 0 or parts.query:
            raise ValueError
        if not re.fullmatch(path, parts.path):
            raise ValueError
        return value

    return read(name, "", parse, f"a URL of the form {schemes[0]}://user:password@host:port/ without parameters")


# --- The database ---------------------------------------------------------------------------------------------------

# Parameters of asyncpg, the earlier service's driver, that tune its cache of statements. psycopg has none to tune.
ASYNCPG_TUNING = {
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "statement_cache_size",
    "max_cached_statement_lifetime",
    "max_cacheable_statement_size",
    "command_timeout",
}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def database(name: str, default: str) -> dict[str, Any]:
    """Django's settings for `postgresql://…` (also with a driver suffix such as `+asyncpg`) or `sqlite:///path`."""

    def parse(value: str) -> dict[str, Any]:
        url, _, query = re.sub(r"^(postgres|sqlite)(ql)?(\+\w+)?://", r"\1\2://", value).partition("?")
        if not re.match(r"(postgres(ql)?|sqlite)://", url):
            raise ValueError
        parameters = urlencode(libpq_parameters(query)) if url.startswith("postgres") else ""
        config: dict[str, Any] = dict(dj_database_url.parse(f"{url}?{parameters}"))
        if config["NAME"] in {"", ":memory:"}:
            raise ValueError
        return config

    return read(name, parse(default), parse, "postgresql://user:password@host:port/name or sqlite:///path")


def in_terms_of_libpq(query: str) -> dict[str, str]:
    """The parameters of a database URL, from libpq's own names and from asyncpg's."""
    renamed = {"ssl": "sslmode", "timeout": "connect_timeout"}
    return {renamed.get(name, name): value for name, value in parse_qsl(query) if name not in ASYNCPG_TUNING}


def libpq_parameters(query: str) -> dict[str, str]:
    """Those that libpq knows; others stop the start."""
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    found = in_terms_of_libpq(query)
    for name in found.keys() - known:
        refuse("DATABASE_URL", f"without the parameter {name!r}, which PostgreSQL's client library does not know")
    if not re.fullmatch(r"[0-9]{1,4}", found.get("connect_timeout", "0")):
        refuse("DATABASE_URL", "given a connect_timeout in whole seconds")
    if found.get("sslmode", "prefer") not in SSL_MODES:
        refuse("DATABASE_URL", f"given an sslmode that is one of {', '.join(SSL_MODES)}")
    return found


# --- Keys -----------------------------------------------------------------------------------------------------------

KEY_BYTES = 32  # RFC 7518 section 3.2: an HS256 key has at least as many bits as SHA-256 gives
PLACEHOLDERS = (  # of keys that people copy from examples, or type; a random key has none of them
    r"change|replace|secret|password|example|default|insecure|develop|placeholder|peerprep|generate|please|random"
    r"|^your|^dev\b|^test|^<|verygood|123456|abcdef|qwerty"
    r"|09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"  # FastAPI's tutorial
)


def is_guessable(key: str) -> bool:
    """Whether a key is a placeholder, or repeats itself."""
    repetitive = len(set(key)) < KEY_BYTES // 4 or key in (key * 2)[1:-1]
    return repetitive or re.search(PLACEHOLDERS, key, re.IGNORECASE) is not None


def is_safe_key(key: str) -> bool:
    return not is_guessable(key) and len(key.encode()) >= KEY_BYTES
