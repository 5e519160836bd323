"""Changing the key that signs, so that no token alive and no verifier notices: stage, activate, retire."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.audit.log import Actor, Kind, record
from accounts.models import SigningKey
from accounts.tokens.keys import is_symmetric, new_pair, ring
from core.times import moment


class NotNow(Exception):
    """The step would break something. The message says what, and when the step will be possible."""


def stage() -> SigningKey:
    """Publishes a new key pair of the configured algorithm. Nothing is signed with it yet.

    Raises:
        NotNow: a shared secret signs, which has no key pairs.
    """
    if is_symmetric():
        raise NotNow(f"{settings.ALGORITHM} signs with SECRET_KEY. Key pairs are for RS256, ES256 and EdDSA.")
    ring.refresh()  # the very first key needs no staging, and is active
    pair = new_pair(settings.ALGORITHM)
    with transaction.atomic():
        pair.save(force_insert=True)
        record(Kind.KEY_STAGED, by=Actor.operator(), kid=pair.kid, algorithm=pair.algorithm)
    return pair


@transaction.atomic
def key_to_activate(kid: str, *, force: bool = False) -> SigningKey:
    """Locked until the caller's transaction ends.

    Raises:
        NotNow: it is not staged, or verifiers may not have fetched it yet.
    """
    key = SigningKey.objects.select_for_update().filter(pk=kid, activated_at=None, retired_at=None).first()
    if key is None:
        raise NotNow(f"{kid} is not a staged key.")
    wait(key.staged_at + settings.JWKS_MAX_AGE + settings.KEY_RING_TTL, "verifiers know the key", force)
    return key


def activate(kid: str, *, force: bool = False) -> None:
    """Signs with a staged key from now on. Its predecessor goes on verifying.

    Raises:
        NotNow.
    """
    now = timezone.now()
    with transaction.atomic():
        key = key_to_activate(kid, force=force)
        SigningKey.objects.active().update(replaced_at=now)
        key.activated_at = now
        key.save(update_fields=["activated_at"])
        record(Kind.KEY_ACTIVATED, by=Actor.operator(), kid=kid, forced=force)
    ring.forget()


@transaction.atomic
def key_to_retire(kid: str, *, force: bool = False) -> SigningKey:
    """Locked until the caller's transaction ends.

    Raises:
        NotNow: it signs, is unknown, or tokens that it signed may be alive.
    """
    key = SigningKey.objects.in_use().select_for_update().filter(pk=kid).first()
    if key is None:
        raise NotNow(f"{kid} is not a key in use.")
    if key.is_active:
        raise NotNow(f"{kid} signs. Activate another key first.")
    if key.replaced_at is not None:  # after which other processes sign with it until they read the ring again
        longest = max(settings.ACCESS_TTL, settings.REFRESH_TTL)
        wait(key.replaced_at + settings.KEY_RING_TTL + longest, "the last token that it signed has expired", force)
    return key


def retire(kid: str, *, force: bool = False) -> None:
    """Verifies with a key no longer, and takes it out of the published set.

    Raises:
        NotNow.
    """
    with transaction.atomic():
        key = key_to_retire(kid, force=force)
        key.retired_at = timezone.now()
        key.save(update_fields=["retired_at"])
        record(Kind.KEY_RETIRED, by=Actor.operator(), kid=kid, forced=force)
    ring.forget()


def wait(until: datetime, what: str, force: bool) -> None:
    if timezone.now() < until and not force:
        raise NotNow(f"Not before {moment(until)}, when {what}.")
