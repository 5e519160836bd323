"""How passwords are hashed."""

import logging
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import cache
from pathlib import Path
from secrets import token_bytes
from typing import IO

from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.exceptions import HashingError, VerificationError, VerifyMismatchError
from django.conf import settings
from django.contrib.auth import hashers

from accounts.models import User
from core.concurrency import Slots, request_slots
from core.errors import ApiError

log = logging.getLogger(__name__)

SALT_BYTES = 22  # what Django makes them of
MOST_MEMORY = 256 * 1024  # KiB
MOST_LANES = 64


class TooManyHashes(ApiError):
    status = 503
    code = "busy"
    detail = "Too many passwords are being checked at this moment. Try again in a moment."


# A hash takes 64 MiB and several processors for a tenth of a second, so few are made at once, and few wait for theirs.
# A login holds a slot for its address, which has one guess evaluated at a time. All new passwords share an owner, which
# leaves a third to the logins.
HASHES = settings.ARGON2_CONCURRENCY + settings.ARGON2_WAITING
hash_slots = Slots(total=HASHES, per_owner=HASHES * 2 // 3)
under_way = threading.BoundedSemaphore(settings.ARGON2_CONCURRENCY)
NEW_PASSWORDS = "new passwords"

# Users who are signed in have slots of their own, and need none of the above.
own_slots = Slots(total=settings.CONFIRMATIONS_WAITING, per_owner=settings.CONFIRMATIONS_WAITING // 3)
POLL_INTERVAL = 0.05  # seconds


@contextmanager
def turn_to_hash(account: str) -> Iterator[None]:
    """Waits for the turn to hash. Other requests may run meanwhile, so the block must not touch the database.

    Raises:
        TooManyHashes: too many wait already, and then at once; or it has not come in time.
    """
    if not hash_slots.acquire(account):
        raise TooManyHashes(retry_after=1)
    try:
        with request_slots.yielded():
            if not under_way.acquire(timeout=request_slots.patience):
                raise TooManyHashes(retry_after=1)
            try:
                yield
            finally:
                under_way.release()
    finally:
        hash_slots.release(account)


@contextmanager
def own_slot(user: User) -> Iterator[None]:
    """A slot of a user who is signed in, for as long as they wait for a hash.

    Raises:
        TooManyHashes: all of them are taken, or as many as one user may have.
    """
    if not own_slots.acquire(str(user.pk)):
        raise TooManyHashes(retry_after=1)
    try:
        yield
    finally:
        own_slots.release(str(user.pk))


@contextmanager
def own_turn() -> Iterator[None]:
    """Waits for the turn to hash of those who are signed in; like the other, its block must not touch the database.

    There is one for all processes of this host, so that a login shares the processors with one such hash at most. Its
    lock is on this very file, and a process that dies releases it.

    Raises:
        TooManyHashes: it has not come in time.
    """
    deadline = time.monotonic() + request_slots.patience
    with request_slots.yielded(), Path(__file__).open("rb") as file:
        while not locked(file):
            if time.monotonic() > deadline:
                raise TooManyHashes(retry_after=1)
            time.sleep(POLL_INTERVAL)
        yield


def locked(file: IO[bytes]) -> bool:
    """Locks the file until it is closed; False if it is locked already."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Argon2id(hashers.Argon2PasswordHasher):
    """Argon2id with the second recommended parameters of RFC 9106 section 4, unless the environment tunes them."""

    time_cost = settings.ARGON2_TIME_COST
    memory_cost = settings.ARGON2_MEMORY_KIB
    parallelism = settings.ARGON2_PARALLELISM

    def encode(self, password: str, salt: str) -> str:
        try:
            return str(super().encode(password, salt))
        except HashingError as exc:
            raise TooManyHashes(retry_after=1) from exc  # there is no memory left for it

    def verify(self, password: str, encoded: str) -> bool:
        """Whether it matches. Django's own says no to a corrupt hash as well; here that is a ValueError."""
        stored = encoded.removeprefix("argon2")
        if not self.is_affordable(extract_parameters(stored)):
            raise ValueError
        try:
            return PasswordHasher().verify(stored, password)
        except VerifyMismatchError:
            return False
        except VerificationError as exc:
            if "allocation" in str(exc).lower():
                raise TooManyHashes(retry_after=1) from exc
            raise ValueError from exc

    def is_affordable(self, made: Parameters) -> bool:
        """Whether the hash asks for no more than some passes over some memory; else it was not made here."""
        work, own = made.memory_cost * made.time_cost, self.memory_cost * self.time_cost
        most = made.memory_cost <= max(MOST_MEMORY, self.memory_cost) and work <= max(4 * MOST_MEMORY, own)
        return most and made.parallelism <= max(MOST_LANES, self.parallelism)


def hashed(password: str, account: str) -> str:
    """The hash to store for the account of that address.

    Raises:
        TooManyHashes.
    """
    with turn_to_hash(account):
        return hashers.make_password(password)


@cache
def unmatchable() -> str:
    """A hash that no password matches, since none was hashed for it."""
    made = Argon2id.memory_cost, Argon2id.time_cost, Argon2id.parallelism
    salt, digest = (b64encode(token_bytes(size)).decode().rstrip("=") for size in (SALT_BYTES, 32))
    return "argon2$argon2id$v=19$m={},t={},p={}${}${}".format(*made, salt, digest)


def matches(password: str, encoded: str | None, account: str) -> bool:
    """The answer of `verifies`, in the turn of that address.

    Raises:
        TooManyHashes.
    """
    with turn_to_hash(account):
        return verifies(password, encoded)


def verifies(password: str, encoded: str | None) -> bool:
    """Whether `password` is the one behind `encoded`; None stands for an account that does not exist.

    Such an account takes as long as any other, and so does one whose hash is unusable, corrupt, or of a scheme that
    this service does not use. The last two are logged. Call it in a turn to hash.

    Raises:
        TooManyHashes: there is no memory left for it.
    """
    try:
        if encoded is not None and hashers.is_password_usable(encoded):
            return hashers.identify_hasher(encoded).verify(password, encoded)
    except ValueError:
        log.error("A stored password hash cannot be read")  # noqa: TRY400 - a traceback might show it
    return Argon2id().verify(password, unmatchable())


def is_outdated(encoded: str) -> bool:
    """Whether the hash was made with other parameters than the present ones."""
    return hashers.identify_hasher(encoded).must_update(encoded)
