"""How passwords are hashed, and how long they may be."""

import logging
import re
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from secrets import token_bytes
from typing import Any

from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.exceptions import HashingError, VerificationError, VerifyMismatchError
from django.conf import settings
from django.contrib.auth import hashers
from django.core.exceptions import ValidationError

from core.concurrency import request_slots
from core.errors import ApiError

log = logging.getLogger(__name__)


PASSWORD_LENGTH = 1024
SALT_BYTES = 22  # what Django makes them of
MOST_MEMORY = 256 * 1024  # KiB
MOST_LANES = 64


class TooManyHashes(ApiError):
    status = 503
    code = "busy"
    detail = "Too many people are signing in at this moment. Try again in a moment."


# A hash takes 64 MiB and several processors for a tenth of a second, so few are made at once, and few wait for theirs.
PLACES = settings.ARGON2_CONCURRENCY + settings.ARGON2_WAITING
PLACES_OF_ONE = PLACES * 2 // 3
turns = threading.BoundedSemaphore(settings.ARGON2_CONCURRENCY)


held: Counter[str] = Counter()  # of the places, by the account that they are for
counting = threading.Lock()


@contextmanager
def place(account: str) -> Iterator[None]:
    """Holds one of the few places of this process for work on a password, from before it waits for anything.

    Raises:
        TooManyHashes: at once, so that no thread is left waiting that other calls need. One account may not have all.
    """
    with counting:
        if held.total() >= PLACES or held[account] >= PLACES_OF_ONE:
            raise TooManyHashes(retry_after=1)
        held[account] += 1
    try:
        yield
    finally:
        with counting:
            held[account] -= 1
            if not held[account]:
                del held[account]


@contextmanager
def turn() -> Iterator[None]:
    """Waits for the turn to hash. Others have this thread's seat until it is done.

    Raises:
        TooManyHashes: it has not come within `ARGON2_WAIT`.
    """
    with request_slots.yielded():
        if not turns.acquire(timeout=settings.ARGON2_WAIT.total_seconds()):
            raise TooManyHashes(retry_after=1)
        try:
            yield
        finally:
            turns.release()


class Argon2id(hashers.Argon2PasswordHasher):
    """Argon2id with the second recommended parameters of RFC 9106 section 4, unless the environment tunes them."""

    time_cost = settings.ARGON2_TIME_COST
    memory_cost = settings.ARGON2_MEMORY_KIB
    parallelism = settings.ARGON2_PARALLELISM

    def encode(self, password: str, salt: str) -> str:
        try:
            with turn():
                return str(super().encode(password, salt))
        except HashingError as exc:
            raise TooManyHashes(retry_after=1) from exc  # there is no memory left for it

    def verify(self, password: str, encoded: str) -> bool:
        """Whether it matches. Django's own says no to a corrupt hash as well; here that is a ValueError."""
        stored = encoded.removeprefix("argon2")
        if not self.is_bearable(extract_parameters(stored)):
            raise ValueError
        try:
            with turn():
                return PasswordHasher().verify(stored, password)
        except VerifyMismatchError:
            return False
        except VerificationError as exc:
            if "allocation" in str(exc).lower():
                raise TooManyHashes(retry_after=1) from exc
            raise ValueError from exc

    def is_bearable(self, made: Parameters) -> bool:
        """Whether the hash asks for no more than some passes over some memory; else it was not made here."""
        work, own = made.memory_cost * made.time_cost, self.memory_cost * self.time_cost
        most = made.memory_cost <= max(MOST_MEMORY, self.memory_cost) and work <= max(4 * MOST_MEMORY, own)
        return most and made.parallelism <= max(MOST_LANES, self.parallelism)


def hashed(password: str, account: str) -> str:
    """The hash to store for the account of that address.

    Raises:
        TooManyHashes.
    """
    with place(account):
        return hashers.make_password(password)


class MaximumLengthValidator:
    """Bounds the work of a hash. Django ships only the other bound."""

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > PASSWORD_LENGTH:
            raise ValidationError(
                f"This password is too long. It may have {PASSWORD_LENGTH} characters.", "password_too_long"
            )

    def get_help_text(self) -> str:
        return f"Your password may have up to {PASSWORD_LENGTH} characters."


class OverAgainValidator:
    """Refuses the user's address or name over again: `alicealice`. Django's compares with it only once."""

    LEAST_REST = 4  # letters and digits that make it a password of its own

    def validate(self, password: str, user: Any = None) -> None:
        if user is None:
            return
        rest = letters(password)
        for part in sorted({*parts(user.email), *parts(user.name)}, key=len, reverse=True):
            rest = rest.replace(part, "")
        if len(rest) < self.LEAST_REST and rest != letters(password):
            raise ValidationError("The password is the e-mail address or the name over again.", "password_too_similar")

    def get_help_text(self) -> str:
        return "Your password must not be your e-mail address or your name over again."


def parts(text: str) -> list[str]:
    """The words of an address or a name, and all of them together."""
    return [word for word in (letters(text), *map(letters, re.split(r"\W+", text))) if len(word) > 1]


def letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())


@cache
def nobody() -> str:
    """A hash that no password matches, since none was hashed for it."""
    made = Argon2id.memory_cost, Argon2id.time_cost, Argon2id.parallelism
    salt, digest = (b64encode(token_bytes(size)).decode().rstrip("=") for size in (SALT_BYTES, 32))
    return "argon2$argon2id$v=19$m={},t={},p={}${}${}".format(*made, salt, digest)


def matches(password: str, encoded: str | None) -> bool:
    """Whether `password` is the one behind `encoded`; None stands for an account that does not exist.

    Such an account takes as long as any other, and so does one whose hash is unusable, corrupt, or of a scheme that
    this service does not use. The last two are logged.

    Raises:
        TooManyHashes.
    """
    try:
        if encoded is not None and hashers.is_password_usable(encoded):
            return hashers.identify_hasher(encoded).verify(password, encoded)
    except ValueError:
        log.error("A stored password hash cannot be read")  # noqa: TRY400 - a traceback might show it
    return Argon2id().verify(password, nobody())


def is_outdated(encoded: str) -> bool:
    """Whether the hash was made with other parameters than the present ones."""
    return hashers.identify_hasher(encoded).must_update(encoded)
