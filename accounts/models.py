"""The tables of accounts, and the rules that concern one row or one set of rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.conf import settings
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
from core.client import USER_AGENT_LENGTH

NAME_LENGTH = 100
DEVICE_LENGTH = 100
RESET_GUESSES = 5
LAST_USED_PRECISION = timedelta(minutes=5)


class Role(models.TextChoices):
    USER = "USER"
    ADMIN = "ADMIN"


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=normalised(username or ""))

    def locked(self, **facts: Any) -> User | None:
        """The active user of these facts, their row locked until the transaction ends.

        Whatever changes a user's password, role or sessions takes this lock first; that is what makes a refresh and a
        logout, or a login and a change of password, happen one after the other.
        """
        return self.held(is_active=True, **facts)

    def held(self, **facts: Any) -> User | None:
        """The same, deactivated or not: for what is about the account's record."""
        return self.select_for_update(no_key=True).filter(**facts).first()

    def locked_with_admins(self, user: User) -> tuple[User | None, set[UUID]]:
        """The user's row and the ids of the admins who can sign in, all locked in one order until the transaction ends.

        So of two admins who demote each other at the same moment, the second finds that it is the last one.
        """
        rows = self.select_for_update().filter(Q(role=Role.ADMIN, is_active=True) | Q(pk=user.pk)).order_by("pk")
        found = {row.pk: row for row in rows}
        admins = {row.pk for row in found.values() if row.is_admin and row.is_active and row.is_verified}
        return found.get(user.pk), admins

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        email = normalised(email)
        user = self.model(email=email, name=fields.pop("name", "") or default_name(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{"role": Role.ADMIN, "is_verified": True, **fields})


def default_name(email: str) -> str:
    """What somebody is called who gave no name: the part of the address before the `@`."""
    return email.partition("@")[0][:NAME_LENGTH]


class User(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    email = models.EmailField(max_length=EMAIL_LENGTH)
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

    is_staff = is_admin
    is_superuser = is_admin

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's is of the password's hash, which changes when it is upgraded. Whatever ends sessions ends them."""
        return salted_hmac("accounts.admin-session", str(self.pk), secret=secret, algorithm="sha256").hexdigest()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_active and self.is_admin

    def has_perms(self, perms: Any, obj: object = None) -> bool:
        return self.has_perm("")

    def has_module_perms(self, app_label: str) -> bool:
        return self.has_perm("")


def alive() -> dict[str, Any]:
    """What is true of a session that lives."""
    now = timezone.now()
    return {"ended_at": None, "expires_at__gt": now, "rotated_at__gt": now - settings.REFRESH_TTL}


class SessionQuerySet(models.QuerySet["Session"]):
    def live(self) -> SessionQuerySet:
        """Those that still authenticate or can still be refreshed."""
        return self.filter(**alive())

    def over(self) -> SessionQuerySet:
        """All others."""
        return self.exclude(**alive())

    def touch(self, session: Session, now: datetime) -> None:
        """Notes that the session was used, to a precision that most requests need not write for."""
        if now - session.last_used_at >= LAST_USED_PRECISION:
            self.filter(pk=session.pk).update(last_used_at=now)


class Session(models.Model):
    """What one login, or the registration, began. A request is authenticated only while its session lives."""

    class End(models.TextChoices):
        LOGOUT = "logout"
        REVOKED = "revoked"
        REUSE = "reuse"
        PASSWORD = "password"  # noqa: S105
        ADMIN = "admin"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions", db_index=False)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    ip = models.GenericIPAddressField("IP address", null=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end = models.CharField(max_length=8, choices=End, blank=True)
    refresh_id = models.UUIDField(default=uuid4)  # `jti` of the one refresh token that is current
    previous_id = models.UUIDField(null=True)  # its direct predecessor, which may be replayed for a moment
    rotated_at = models.DateTimeField(default=timezone.now)  # when the current one was issued

    objects = SessionQuerySet.as_manager()

    class Meta:
        db_table = "sessions"
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at=None, end="") | Q(ended_at__isnull=False) & ~Q(end=""),
                name="sessions_end_has_reason",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="sessions_expire_later"),
        ]
        indexes = [
            # A user's live sessions: the list of devices, and ending them all.
            models.Index(fields=["user", "-created_at"], condition=Q(ended_at=None), name="sessions_live_of_user"),
            # The cascade of a deleted user.
            models.Index(fields=["user"], name="sessions_of_user"),
            # The admin site's list, newest first; a day's logins.
            models.Index(fields=["-created_at", "id"], name="sessions_newest"),
        ]

    def __str__(self) -> str:
        return f"session {self.id}"

    def is_live(self, now: datetime) -> bool:
        return self.ended_at is None and self.expires_at > now

    @property
    def refresh_expires_at(self) -> datetime:
        return min(self.rotated_at + settings.REFRESH_TTL, self.expires_at)

    def rotate(self, now: datetime) -> None:
        self.previous_id, self.refresh_id, self.rotated_at, self.last_used_at = self.refresh_id, uuid4(), now, now
        self.save(update_fields=["previous_id", "refresh_id", "rotated_at", "last_used_at"])


class KnownDeviceManager(models.Manager["KnownDevice"]):
    def meet(self, user: User, name: str) -> bool:
        """Notes that the user signs in with this device. Whether it is new beside others: the first one is no news."""
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
    def live(self) -> PasswordResetQuerySet:
        now = timezone.now()
        return self.filter(used_at=None, expires_at__gt=now, guesses__lt=RESET_GUESSES)

    def replace(self, code: PasswordReset) -> None:
        """Stores a code in the place of the one before, in one statement."""
        fields = ["id", "code_hash", "created_at", "expires_at", "guesses", "used_at"]
        self.bulk_create([code], update_conflicts=True, unique_fields=["address"], update_fields=fields)

    def count_guess(self, code: PasswordReset) -> bool:
        """Takes one of the guesses left, in one statement; False where there is none."""
        return bool(self.live().filter(id=code.id).update(guesses=F("guesses") + 1))

    def return_guess(self, code: PasswordReset) -> None:
        """Gives a guess back that turned out right: only wrong ones wear a code out."""
        self.filter(id=code.id, guesses__gt=0).update(guesses=F("guesses") - 1)

    def use(self, code: PasswordReset) -> bool:
        """Uses the code up, in one statement; False where somebody else has."""
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


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    def in_use(self) -> SigningKeyQuerySet:
        """Those that are published and verify, the newest first."""
        return self.filter(retired_at=None).order_by("-staged_at")

    def active(self) -> SigningKeyQuerySet:
        return self.filter(activated_at__isnull=False, replaced_at=None)


class SigningKey(models.Model):
    """A key pair that tokens are signed with: staged, then active, then replaced, then retired."""

    kid = models.CharField(max_length=43, primary_key=True)  # RFC 7638 thumbprint
    algorithm = models.CharField(max_length=5)
    public_jwk = models.JSONField()
    sealed = models.TextField()  # the private key, encrypted
    staged_at = models.DateTimeField(default=timezone.now)
    activated_at = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        db_table = "signing_keys"
        constraints = [
            models.UniqueConstraint(
                models.Value(1),
                condition=Q(activated_at__isnull=False, replaced_at=None),
                name="signing_keys_one_active",
            ),
        ]

    def __str__(self) -> str:
        return self.kid

    @property
    def is_active(self) -> bool:
        return self.activated_at is not None and self.replaced_at is None


class Lease(models.Model):
    """The right to do one thing for one address now: whoever inserts the row has it, until they delete it.

    It is how guesses at one password queue up, also between processes and hosts, without any of them holding a
    transaction open. A holder that died gives way after `until`.
    """

    name = models.CharField(max_length=300, primary_key=True)
    holder = models.UUIDField()
    until = models.DateTimeField()

    class Meta:
        db_table = "leases"

    def __str__(self) -> str:
        return self.name
