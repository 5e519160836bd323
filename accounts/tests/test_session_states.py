"""Whatever users do in whatever order: exactly the tokens that should work do."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts.models import LoginGuard, User
from accounts.reset_codes import new_code
from accounts.tokens.jwt import LEEWAY
from conftest import PASSWORD, Api

GRACE, LIFE = settings.REFRESH_GRACE, settings.SESSION_MAX
SEEDS = {"postgresql": 1, "sqlite": 2}
ACCESS, REFRESH = settings.ACCESS_TTL + LEEWAY, settings.REFRESH_TTL + LEEWAY


@dataclass
class Device:
    """The model of a session: every token it was ever given, and what the contract says of each."""

    person: str
    begun: datetime
    access: list[tuple[str, datetime]] = field(default_factory=list)
    refresh: list[str] = field(default_factory=list)
    issued: list[datetime] = field(default_factory=list)  # when each refresh token was
    rotated: datetime = field(default_factory=timezone.now)
    alive: bool = True

    def given(self, pair: dict[str, str]) -> None:
        self.access.append((pair["access_token"], timezone.now()))
        if pair["refresh_token"] not in self.refresh:
            self.refresh.append(pair["refresh_token"])
            self.issued.append(timezone.now())
            self.rotated = timezone.now()

    def lives(self) -> bool:
        return self.alive and timezone.now() < self.begun + LIFE

    def admits(self, issued: datetime) -> bool:
        return self.lives() and timezone.now() < issued.replace(microsecond=0) + ACCESS


class Sessions(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        User.objects.all().delete()
        self.clock = time_machine.travel(datetime.fromisoformat("2026-01-01T00:00:00+00:00"), tick=False)
        self.time = self.clock.start()
        self.passwords: dict[str, str] = {}
        self.devices: list[Device] = []
        for name in ("alice", "bob"):
            self.passwords[name] = PASSWORD
            User.objects.create_user(f"{name}@example.com", PASSWORD, is_verified=True)

    def teardown(self) -> None:
        if hasattr(self, "clock"):
            self.clock.stop()

    people = st.sampled_from(["alice", "bob"])
    picks = st.integers(0, 100)

    def pick(self, number: int) -> Device | None:
        return self.devices[number % len(self.devices)] if self.devices else None

    def newest_access(self, device: Device) -> Api:
        return Api(device.access[-1][0])

    def end_all(self, person: str, keep: Device | None = None) -> None:
        for device in self.devices:
            if device.person == person and device is not keep:
                device.alive = False

    @rule(person=people)
    def log_in(self, person: str) -> None:
        LoginGuard.objects.all().delete()  # who tries after the account is deleted must not be locked out here
        body = {"email": f"{person}@example.com", "password": self.passwords.get(person, PASSWORD)}
        answer = Api().post("/auth/login", body)
        assert answer.status_code == (200 if person in self.passwords else 401)
        if answer.status_code == 200:
            device = Device(person, timezone.now())
            device.given(answer.json())
            self.devices.append(device)

    @rule(number=picks, back=st.sampled_from([0, 0, 0, 1, 2]))
    def refresh(self, number: int, back: int) -> None:
        device = self.pick(number)
        if device is None or back >= len(device.refresh):
            return
        answer = Api().post("/auth/refresh", {"refresh_token": device.refresh[-1 - back]})
        expected = self.expected_of_refresh(device, back)
        assert answer.status_code == expected, answer.content
        if expected == 200:
            before = len(device.refresh)
            device.given(answer.json())
            assert len(device.refresh) == before + (back == 0)

    def expected_of_refresh(self, device: Device, back: int) -> int:
        """What the contract says; ends the device in the model where the replay ends the session."""
        now = timezone.now()
        lives = device.lives() and now < device.rotated.replace(microsecond=0) + REFRESH
        if back == 0:
            return 200 if lives else 401
        if back == 1 and device.lives() and now - device.rotated <= GRACE:
            return 200
        if now < device.issued[-1 - back].replace(microsecond=0) + REFRESH:
            device.alive = False  # an expired token is refused before its replay is noticed
        return 401

    @rule(number=picks)
    def log_out(self, number: int) -> None:
        if (device := self.pick(number)) and device.admits(device.access[-1][1]):
            assert self.newest_access(device).post("/auth/logout").status_code == 200
            self.end_all(device.person)

    @rule(number=picks)
    def revoke_itself(self, number: int) -> None:
        if (device := self.pick(number)) and device.admits(device.access[-1][1]):
            sessions = self.newest_access(device).get("/auth/sessions").json()
            current = next(session["id"] for session in sessions if session["current"])
            assert self.newest_access(device).delete(f"/auth/sessions/{current}").status_code == 204
            device.alive = False

    @rule(number=picks)
    def change_the_password(self, number: int) -> None:
        if (device := self.pick(number)) and device.admits(device.access[-1][1]):
            new = f"password number {len(self.devices)} {timezone.now()}"
            body = {"old_password": self.passwords[device.person], "new_password": new}
            assert self.newest_access(device).put("/users/me", body).status_code == 200
            self.passwords[device.person] = new
            self.end_all(device.person, keep=device)

    @rule(person=people)
    def reset_the_password(self, person: str) -> None:
        user = User.objects.filter(email=f"{person}@example.com").first()
        if user is not None:
            new = f"reset at {timezone.now()} for {person[:1]}"
            body = {"email": user.email, "code": new_code(user.email), "new_password": new}
            assert Api().post("/auth/reset-password", body).status_code == 200
            self.passwords[person] = new
            self.end_all(person)

    @rule(number=picks)
    def delete_the_account(self, number: int) -> None:
        if (device := self.pick(number)) and device.admits(device.access[-1][1]):
            assert self.newest_access(device).delete("/users/me").status_code == 200
            del self.passwords[device.person]
            self.end_all(device.person)

    @rule(step=st.sampled_from([timedelta(seconds=4), timedelta(seconds=7), timedelta(minutes=10), timedelta(days=4)]))
    def wait(self, step: timedelta) -> None:
        self.time.shift(step)

    @invariant()
    def exactly_the_tokens_that_should_work_do(self) -> None:
        for device in getattr(self, "devices", []):
            for token, issued in device.access[-3:]:
                works = Api(token).get("/users/me").status_code == 200
                assert works == device.admits(issued)
            with transaction.atomic():  # tried, and taken back
                answer = Api().post("/auth/refresh", {"refresh_token": device.refresh[-1]})
                fresh = timezone.now() < device.issued[-1].replace(microsecond=0) + REFRESH
                assert (answer.status_code == 200) == (device.lives() and fresh)
                transaction.set_rollback(True)


@pytest.mark.slow
def test_exactly_the_tokens_that_should_work_do(db: Any) -> None:
    """The same examples each time, and others on the other database."""
    chosen = hypothesis_settings(
        max_examples=20,
        stateful_step_count=20,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEEDS[connection.vendor])(Sessions), settings=chosen)
