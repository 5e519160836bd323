"""Confirming one's own password, which is asked of users who are signed in, at every blur of a field by some clients.

It has nothing to do with the lockout: a session's holder who guesses keeps no one from signing in.
"""

from contextlib import suppress
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.hashing import TooManyHashes, own_slot, own_turn, verifies
from accounts.metrics import CONFIRMATIONS
from accounts.models import ConfirmationGuess, User
from accounts.password_validators import MIN_PASSWORD_LENGTH
from core.errors import ApiError, NotAuthenticated
from core.metrics import count_outcomes

MAX_GUESSES = 10
GUESSES_COUNT = timedelta(minutes=15)


class OldPasswordIncorrect(ApiError):
    status = 401
    code = "old_password_incorrect"
    detail = "The old password is wrong."


class TooManyConfirmations(ApiError):
    status = 429
    code = "too_many_confirmations"
    detail = "Too many wrong passwords. Try again later."


def verify_password(*, user: User, password: str) -> bool:
    """Whether this is the user's password.

    Raises:
        TooManyConfirmations, TooManyHashes, NotAuthenticated: see `confirm_password`.
    """
    with suppress(OldPasswordIncorrect):
        return bool(confirm_password(user=user, password=password))
    return False


@count_outcomes(CONFIRMATIONS, OldPasswordIncorrect, TooManyConfirmations, TooManyHashes)
def confirm_password(*, user: User, password: str) -> str:
    """The stored hash that the user's password matches.

    Raises:
        OldPasswordIncorrect.
        TooManyConfirmations: the password was not evaluated, like every one but those that are known to be wrong.
        TooManyHashes: it may be tried again, as the same guess.
        NotAuthenticated: the account has just been deleted or deactivated.
    """
    if len(password) < MIN_PASSWORD_LENGTH:
        raise OldPasswordIncorrect
    with own_slot(user):
        encoded = evaluate(user, password)
    if encoded is None:
        raise OldPasswordIncorrect
    return encoded


def evaluate(user: User, password: str) -> str | None:
    """The stored hash if the password matches it. Counts the guess before it evaluates it."""
    with transaction.atomic():
        owner = User.objects.lock_active(pk=user.pk)
        if owner is None:
            raise NotAuthenticated
        guess = count_confirmation(owner, password)
    if guess.is_wrong:
        return None
    with own_turn():
        is_right = verifies(password, owner.password)
    row = ConfirmationGuess.objects.filter(pk=guess.pk)
    if is_right:
        row.delete()
        return owner.password
    row.update(is_wrong=True)
    return None


def count_confirmation(owner: User, password: str) -> ConfirmationGuess:
    """The row of this guess, in a transaction that holds the owner's row. The same one again is no new guess.

    Raises:
        TooManyConfirmations.
    """
    now = timezone.now()
    guesses = ConfirmationGuess.objects.filter(user=owner)
    guesses.filter(guessed_at__lte=now - GUESSES_COUNT).delete()
    known = {guess.digest: guess for guess in guesses.order_by("guessed_at")}
    digest = salted_hmac("accounts.confirmation", f"{owner.pk}:{password}", algorithm="sha256").hexdigest()
    if digest in known:
        return known[digest]
    if len(known) >= MAX_GUESSES:
        oldest = next(iter(known.values()))
        raise TooManyConfirmations(retry_after=(oldest.guessed_at + GUESSES_COUNT - now).total_seconds())
    return ConfirmationGuess.objects.create(user=owner, digest=digest)
