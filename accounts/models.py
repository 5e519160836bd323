"""The tables of accounts, and the rules that concern one row or one set of rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, ClassVar
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.addresses import EMAIL_LENGTH, normalised
from accounts.audit.models import AuditEntry as AuditEntry
from accounts.audit.models import AuditHead as AuditHead
from accounts.mail.models import Mail as Mail
from accounts.text import no_control_characters
from accounts.tokens.models import Revocation as Revocation
from accounts.tokens.models import SigningKey as SigningKey
from core.client import USER_AGENT_LENGTH, Client

NAME_LENGTH = 100
DEVICE_LENGTH = 100
RESET_GUESSES = 5
LAST_USED_PRECISION = timedelta(minutes=5)
# To answer who was signed in, and from where; and as long as a token of the earlier service may come.
ENDED_SESSIONS_KEPT = max(timedelta(days=7), settings.REFRESH_TTL)


class Role(models.TextChoices):
    USER = "USER"
    ADMIN = "ADMIN"


class UserManager(BaseUserManager["User"]):
    def lock_active(self, **facts: Any) -> User | None:
        """The active user of these facts, their row locked until the transaction ends.

        Every change of a user's password, role or sessions takes this lock first; that is what makes a refresh and a
        logout, or a login and a change of password, happen one after the other.
        """
        return self.lock_any(is_active=True, **facts)

    def lock_any(self, **facts: Any) -> User | None:
        """The same, deactivated or not."""
        return self.select_for_update(no_key=True).filter(**facts).first()

    def admins(self) -> models.QuerySet[User]:
        """Those who can sign in."""
        can_sign_in = self.filter(role=Role.ADMIN, is_active=True, is_verified=True)
        return can_sign_in.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)

    def unverified(self) -> models.QuerySet[User]:
        """Those who are deleted unless they verify their address in time. Whom an admin made an admin stays."""
        return self.filter(is_verified=False, role=Role.USER)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        email = normalised(email)
        user = self.model(email=email, name=fields.pop("name", "") or default_name(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{"role": Role.ADMIN, "is_verified": True, **fields})


def default_name(email: str) -> str:
    """The name of a user who gave none: the part of the address before the `@`."""
    return email.partition("@")[0][:NAME_LENGTH]


class User(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    email = models.EmailField("e-mail address", max_length=EMAIL_LENGTH)
    password = models.CharField(max_length=255, db_column="password_hash", editable=False)
    name = models.CharField(max_length=NAME_LENGTH, validators=[no_control_characters])
    role = models.CharField(max_length=5, choices=Role, default=Role.USER)
    is_verified = models.BooleanField("verified", default=False)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    last_login = None  # the sessions tell that

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "users"
        constraints = [
            models.UniqueConstraint(fields=["email"], name="users_email_unique"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="users_email_normalised"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="users_role_known"),
        ]
        indexes = [
            # The admin site's list, newest first.
            models.Index(fields=["-created_at", "id"], name="users_newest"),
            # The same with a filter that few pass. Search by trigrams is in the migration: other databases have none.
            models.Index(fields=["-created_at"], condition=Q(role="ADMIN"), name="users_admins"),
            models.Index(fields=["-created_at"], condition=Q(is_active=False), name="users_inactive"),
            models.Index(fields=["-created_at"], condition=Q(is_verified=False), name="users_unverified"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_admin(self) -> bool:
        """ADMIN is what Django calls staff and superuser; there is no second flag for either."""
        return self.role == Role.ADMIN

    @property
    def is_last_admin(self) -> bool:
        """Whether this is the only admin who can sign in."""
        admins = type(self).objects.admins().values_list("pk", flat=True)[:2]
        return self.is_admin and list(admins) == [self.pk]

    is_staff = is_admin
    is_superuser = is_admin

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's is of the password's hash, which changes when it is upgraded. Here ending the session signs out."""
        return salted_hmac("accounts.admin-session", str(self.pk), secret=secret, algorithm="sha256").hexdigest()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_active and self.is_admin

    def has_module_perms(self, app_label: str) -> bool:
        return self.has_perm("")


class SessionQuerySet(models.QuerySet["Session"]):
    def live(self) -> SessionQuerySet:
        """Those that still authenticate or can still be refreshed."""
        now = timezone.now()
        return self.filter(ended_at=None, expires_at__gt=now, rotated_at__gt=now - settings.REFRESH_TTL)


class Session(models.Model):
    """What a login or the registration starts. A request is authenticated only while its session is live."""

    class EndReason(models.TextChoices):
        """Labelled by what ended it."""

        LOGOUT = "logout", "logout"
        REVOKED = "revoked", "the user"
        REUSE = "reuse", "a reused token"
        PASSWORD = "password", "a new password"
        ADMIN = "admin", "an admin"
        LIMIT = "limit", "newer sessions"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions", db_index=False)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)  # of the last refresh, as is the address
    ip = models.GenericIPAddressField("IP address", null=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=8, choices=EndReason, blank=True)
    refresh_id = models.UUIDField(default=uuid4)  # `jti` of the one refresh token that is current
    previous_id = models.UUIDField(null=True)  # its direct predecessor, which may be replayed for a moment
    rotated_at = models.DateTimeField(default=timezone.now)  # when the current one was issued

    objects = SessionQuerySet.as_manager()

    class Meta:
        db_table = "sessions"
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="") | Q(ended_at__isnull=False) & ~Q(end_reason=""),
                name="sessions_end_has_reason",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="sessions_expire_later"),
        ]
        indexes = [
            # A user's live sessions: the list of devices, and ending them all.
            models.Index(fields=["user", "-created_at"], condition=Q(ended_at=None), name="sessions_live_of_user"),
            # A user's newest sessions, ended ones too: the user's page; the cascade of a deleted user.
            models.Index(fields=["user", "-created_at"], name="sessions_newest_of_user"),
            # The admin site's list, newest first; a day's logins.
            models.Index(fields=["-created_at", "id"], name="sessions_newest"),
            # The same of one client address. A refresh from the same address leaves it as it is.
            models.Index(fields=["ip", "-created_at"], name="sessions_newest_of_ip"),
        ]

    def __str__(self) -> str:
        return f"session {self.id}"

    def is_live(self, now: datetime) -> bool:
        return self.ended_at is None and self.expires_at > now

    @property
    def refresh_expires_at(self) -> datetime:
        return min(self.rotated_at + settings.REFRESH_TTL, self.expires_at)

    @property
    def outcome(self) -> str:
        """What has become of it: "live", "expired", or the reason of its end."""
        if self.ended_at:
            return self.end_reason
        return "live" if self.refresh_expires_at > timezone.now() else "expired"

    def touch(self, now: datetime) -> None:
        """Records that it was used, at a precision that spares most requests the write."""
        if now - self.last_used_at >= LAST_USED_PRECISION:
            Session.objects.filter(pk=self.pk).update(last_used_at=now)

    def rotate(self, now: datetime, client: Client) -> None:
        self.previous_id, self.refresh_id, self.rotated_at, self.last_used_at = self.refresh_id, uuid4(), now, now
        self.ip, self.user_agent = client.ip, client.user_agent
        self.save(update_fields=["previous_id", "refresh_id", "rotated_at", "last_used_at", "ip", "user_agent"])

    def was_refreshed_by(self, client: Client) -> bool:
        """Whether the last refresh came from this address and user agent."""
        ip = self.ip and str(ip_address(self.ip))  # PostgreSQL spells some IPv6 addresses differently
        return (ip, self.user_agent) == (client.ip, client.user_agent)


class KnownDeviceManager(models.Manager["KnownDevice"]):
    def remember(self, user: User, name: str) -> bool:
        """Adds the device to those the user has signed in with. Returns whether it is new and not their first."""
        name = name[:DEVICE_LENGTH]
        known = set(self.filter(user=user).values_list("name", flat=True))
        if name not in known:
            self.create(user=user, name=name)
        return bool(known) and name not in known


class KnownDevice(models.Model):
    """A kind of device that a user has signed in with, such as "Firefox on Linux". It outlives the sessions."""

    user = models.ForeignKey(User, models.CASCADE, related_name="known_devices", db_index=False)
    name = models.CharField(max_length=DEVICE_LENGTH)
    first_seen_at = models.DateTimeField(default=timezone.now)

    objects = KnownDeviceManager()

    class Meta:
        db_table = "known_devices"
        constraints = [
            # Its index finds a user's devices at a login, and for the cascade of a deleted user.
            models.UniqueConstraint(fields=["user", "name"], name="known_devices_once"),
        ]

    def __str__(self) -> str:
        return self.name


class PasswordResetQuerySet(models.QuerySet["PasswordReset"]):
    def replace(self, code: PasswordReset) -> None:
        """Stores a code over the previous one, in one statement."""
        fields = ["id", "code_hash", "created_at", "expires_at", "guesses", "used_at"]
        self.bulk_create([code], update_conflicts=True, unique_fields=["address"], update_fields=fields)

    def lock_usable(self, address: str) -> PasswordReset | None:
        """The address's code if it has guesses left, its row locked until the transaction ends."""
        usable = self.filter(address=address, used_at=None, expires_at__gt=timezone.now(), guesses__lt=RESET_GUESSES)
        return usable.select_for_update().first()

    def use(self, code: PasswordReset) -> bool:
        """Uses the code up, in one statement; False if another request already has."""
        return bool(self.filter(id=code.id, used_at=None).update(used_at=timezone.now()))


class PasswordReset(models.Model):
    """The newest reset code that was asked for an address; older ones are overwritten.

    An address without an account gets one too, so that guesses at it do the same and take as long.
    """

    address = models.EmailField(max_length=EMAIL_LENGTH, primary_key=True)
    id = models.UUIDField(default=uuid4)  # of this code; a guess at it never counts against the next one
    code_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    guesses = models.PositiveSmallIntegerField(default=0)
    used_at = models.DateTimeField(null=True)

    objects = PasswordResetQuerySet.as_manager()

    class Meta:
        db_table = "password_resets"
        constraints = [
            models.CheckConstraint(condition=Q(guesses__lte=RESET_GUESSES), name="password_resets_five_guesses"),
        ]

    def __str__(self) -> str:
        return f"reset code for {self.address}"

    @property
    def is_exhausted(self) -> bool:
        return self.guesses >= RESET_GUESSES

    def count_wrong_guess(self) -> None:
        self.guesses += 1
        self.save(update_fields=["guesses"])


class ConfirmationGuess(models.Model):
    """A password that a signed-in user gave as their own: it was wrong, or has not been evaluated to the end.

    A right one is removed, and so are all of them when the password changes: a row is about the present password.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="confirmation_guesses", db_index=False)
    digest = models.CharField(max_length=64)
    guessed_at = models.DateTimeField(default=timezone.now)
    is_wrong = models.BooleanField(default=False)  # False until it is known

    class Meta:
        db_table = "confirmation_guesses"
        constraints = [
            # Its index finds a user's guesses, also for the cascade of a deleted user.
            models.UniqueConstraint(fields=["user", "digest"], name="confirmation_guesses_once"),
        ]

    def __str__(self) -> str:
        return f"guess of {self.guessed_at}"


class LoginGuardQuerySet(models.QuerySet["LoginGuard"]):
    def locked(self) -> LoginGuardQuerySet:
        """Those whose account is locked now. One whose last guess is still being evaluated may yet turn out right."""
        now = timezone.now()
        lasting = {"failures__gte": settings.LOGIN_FAILURE_LIMIT, "failed_at__gt": now - settings.LOGIN_LOCK}
        return self.filter(Q(holder=None) | Q(held_until__lte=now), **lasting)

    def forgotten(self) -> LoginGuardQuerySet:
        """Those whose failures no longer count."""
        now = timezone.now()
        return self.filter(Q(holder=None) | Q(held_until__lte=now), failed_at__lte=now - settings.LOGIN_LOCK)


class LoginGuard(models.Model):
    """The wrong passwords in a row for an address, and who is evaluating one now.

    Whether or not there is an account, so that an unknown address behaves as a known one does.
    """

    address = models.EmailField(max_length=EMAIL_LENGTH, primary_key=True)
    failures = models.PositiveSmallIntegerField()  # a guess that is being evaluated counts as one
    failed_at = models.DateTimeField()  # when the last one was counted; of those that turned out wrong, answered
    holder = models.UUIDField(null=True)  # the guess that is being evaluated
    held_until = models.DateTimeField(null=True)  # after which a holder that died gives way

    objects = LoginGuardQuerySet.as_manager()

    class Meta:
        db_table = "login_guards"
        constraints = [
            models.CheckConstraint(
                condition=Q(holder=None, held_until=None) | Q(holder__isnull=False, held_until__isnull=False),
                name="login_guards_held_until",
            ),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def locked_until(self) -> datetime:
        """When the lock of a locked one opens by itself."""
        return self.failed_at + settings.LOGIN_LOCK
