"""`manage.py import_legacy --source`: what becomes of the earlier service's users and attempts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEntry, LoginGuard, Role, User
from attempts.flows import stats
from attempts.models import Attempt, QuestionStatus
from conftest import PASSWORD, Api, connected_to, database
from core.tests.servers import ROOT
from core.tests.waiting import wait_until
from peerprep_users.purge import purges
from peerprep_users.tests.earlier import HASH, YEAR_AGO, Earlier, earlier_database, postgresql

pytestmark = pytest.mark.slow  # each has a database of its own


@pytest.fixture(scope="module")
def earlier_service() -> Iterator[Earlier]:
    with postgresql() as server, earlier_database(server) as database:
        yield database


@pytest.fixture
def earlier(earlier_service: Earlier) -> Earlier:
    earlier_service.reset()
    return earlier_service


def run(earlier: Earlier, *options: str) -> tuple[str, int]:
    """What it said, and its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("import_legacy", "--source", earlier.url, *options, stdout=out)
    except SystemExit as exit_:
        code = int(str(exit_.code))
    return out.getvalue(), code


@pytest.fixture
def reported(earlier: Earlier, tmp_path: Path, db: None) -> Any:
    """Imports, and returns the report: of each row its id, the reason and what became of it."""

    def reported() -> list[tuple[str, str, str]]:
        assert run(earlier, f"--report={tmp_path / 'report'}")[1] == 1
        lines = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
        return [(line["id"], line["reason"], line["outcome"]) for line in lines]

    return reported


NOT = "not imported"
DEAR_HASH = "$argon2id$v=19$m=4194304,t=99,p=4$c2FsdHNhbHQ$aGFzaA"  # which would take minutes to verify


class TestUsers:
    def test_ids_times_role_and_name_survive(self, earlier: Earlier, db: None) -> None:
        id_ = earlier.user("alice@example.com", name="Alice", role="ADMIN", updated_at=YEAR_AGO + timedelta(1))
        assert run(earlier)[1] == 0
        user = User.objects.get(pk=id_)
        assert (user.email, user.name, user.role, user.is_verified) == ("alice@example.com", "Alice", Role.ADMIN, True)
        assert (user.created_at, user.updated_at) == (YEAR_AGO, YEAR_AGO + timedelta(1))

    def test_they_sign_in_with_the_old_password_whose_hash_is_upgraded(
        self, earlier: Earlier, api: Api, db: None
    ) -> None:
        earlier.user("Alice@Example.com")
        run(earlier)
        assert User.objects.get().password == f"argon2{HASH}"
        assert api.post("/auth/login", {"email": "alice@example.com", "password": PASSWORD}).status_code == 200
        assert f"m={settings.ARGON2_MEMORY_KIB}," in User.objects.get().password

    def test_a_name_that_is_missing_is_the_part_before_the_at(self, earlier: Earlier, db: None) -> None:
        earlier.user("alice@example.com", name=None)
        assert run(earlier)[1] == 0
        assert User.objects.get().name == "alice"

    def test_a_lock_lasts_as_long_as_it_would_have(self, earlier: Earlier, api: Api, db: None) -> None:
        until = timezone.now() + timedelta(minutes=5)
        earlier.user("alice@example.com", failed_attempts=3, locked_until=until)
        earlier.user("bob@example.com", failed_attempts=3, locked_until=YEAR_AGO)
        run(earlier)
        assert LoginGuard.objects.get().locked_until == until
        answers = [
            api.post("/auth/login", {"email": f"{who}@example.com", "password": PASSWORD}) for who in ("alice", "bob")
        ]
        assert [answer.status_code for answer in answers] == [403, 200]

    def test_an_unverified_one_has_its_days_from_the_import_on(self, earlier: Earlier, db: None) -> None:
        earlier.user("alice@example.com", is_verified=False)
        run(earlier)
        assert timezone.now() - User.objects.get().created_at < timedelta(minutes=1)
        assert [rows.count() for name, rows, _ in purges() if name == "unverified accounts"] == [0]

    def test_an_unverified_admin_keeps_the_time(self, earlier: Earlier, db: None) -> None:
        earlier.user("root@example.com", is_verified=False, role="ADMIN")
        run(earlier)
        assert User.objects.get().created_at == YEAR_AGO

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({"email": "nobody"}, "bad_address"),
            ({"email": '"alice"@example.com'}, "bad_address"),
            ({"email": "alice@localhost"}, "bad_address"),
            ({"email": "alice@example.com", "id": "17"}, "bad_id"),
        ],
    )
    def test_what_cannot_be_an_account_is_reported(
        self, earlier: Earlier, reported: Any, values: dict[str, str], reason: str
    ) -> None:
        id_ = earlier.user(**values)
        attempt = earlier.attempt(id_)
        earlier.status(id_)
        not_theirs = "user_not_imported"
        assert reported() == [(id_, reason, NOT), (attempt, not_theirs, NOT), (f"{id_}/1", not_theirs, NOT)]
        assert not User.objects.exists()

    @pytest.mark.parametrize(
        ("values", "reason", "outcome"),
        [
            ({"name": "\u202eevil"}, "bad_name", "imported, named after the address"),
            ({"name": "\N{ZERO WIDTH JOINER}" * 100 + "x"}, "bad_name", "imported, named after the address"),
            ({"name": "x" * 101}, "long_name", "imported, its first 100 characters"),
            ({"role": "OWNER"}, "bad_role", "imported as USER"),
            ({"password_hash": "$2b$12$abcdefghijklmnopqrstuv"}, "bad_hash", "imported, needs a new password"),
            ({"password_hash": DEAR_HASH}, "bad_hash", "imported, needs a new password"),
            ({"created_at": "infinity"}, "bad_time", "imported, as of now"),
        ],
    )
    def test_what_cannot_be_kept_of_one_is_reported(
        self, earlier: Earlier, reported: Any, values: dict[str, str], reason: str, outcome: str
    ) -> None:
        id_ = earlier.user("alice@example.com", **values)
        assert reported() == [(id_, reason, outcome)]
        user = User.objects.get()
        assert (user.email, user.role, len(user.name) <= 100) == ("alice@example.com", Role.USER, True)


class TestAddressesThatAreTheSame:
    def test_the_older_one_stays(self, earlier: Earlier, reported: Any) -> None:
        newer = earlier.user("ALICE@example.com", created_at=YEAR_AGO + timedelta(1))
        older = earlier.user("alice@example.com")
        assert reported() == [(newer, "duplicate_address", NOT)]
        assert str(User.objects.get().pk) == older

    def test_a_verified_one_stays_before_an_older_one(self, earlier: Earlier, reported: Any) -> None:
        older = earlier.user("ALICE@example.com", is_verified=False)
        attempt = earlier.attempt(older)
        verified = earlier.user("alice@example.com", created_at=YEAR_AGO + timedelta(1))
        assert reported() == [(older, "duplicate_address", NOT), (attempt, "user_not_imported", NOT)]
        assert str(User.objects.get().pk) == verified

    def test_the_attempts_of_two_that_are_verified_come_together(self, earlier: Earlier, reported: Any) -> None:
        older, newer = earlier.user("alice@example.com"), earlier.user("Alice@example.com", created_at=timezone.now())
        kept, moved = earlier.attempt(older), earlier.attempt(newer)
        assert reported() == [(newer, "duplicate_address", NOT), (moved, "duplicate_address", "moved to the account")]
        assert {str(pk) for pk in Attempt.objects.filter(user_id=older).values_list("pk", flat=True)} == {kept, moved}
        assert QuestionStatus.objects.get().attempts == 2


class TestAttempts:
    def test_an_attempt_survives_as_it_is(self, earlier: Earlier, db: None) -> None:
        user = earlier.user("alice@example.com")
        id_ = earlier.attempt(user, question_id=7, language="C++", submitted_code="é\t\n", passed_tests=1)
        assert run(earlier)[1] == 0
        attempt = Attempt.objects.get(pk=id_)
        assert (str(attempt.user_id), attempt.question_id, attempt.language) == (user, 7, "C++")
        assert (attempt.submitted_code, attempt.passed_tests, attempt.total_tests) == ("é\t\n", 1, 2)
        assert (attempt.created_at, attempt.solved) == (YEAR_AGO, False)

    def test_statuses_are_counted_from_them(self, earlier: Earlier, db: None) -> None:
        user = earlier.user("alice@example.com")
        for day, passed in enumerate([1, 2, 2]):
            earlier.attempt(user, passed_tests=passed, created_at=YEAR_AGO + timedelta(day))
        earlier.status(user, solved_at=YEAR_AGO + timedelta(1))
        assert run(earlier)[1] == 0
        status = QuestionStatus.objects.get()
        assert (status.attempts, status.solving_attempts, status.attempts_to_solve) == (3, 2, 2)
        assert status.solved_at == YEAR_AGO + timedelta(1)

    def test_the_best_runtime_goes_to_the_first_that_solves(self, earlier: Earlier, db: None) -> None:
        user = earlier.user("alice@example.com")
        earlier.attempt(user, passed_tests=1)
        first = earlier.attempt(user, created_at=YEAR_AGO + timedelta(1))
        earlier.attempt(user, created_at=YEAR_AGO + timedelta(2))
        earlier.status(user, best_runtime_ms=12, solved_at=YEAR_AGO + timedelta(1))
        assert run(earlier)[1] == 0
        assert [str(each.pk) for each in Attempt.objects.filter(runtime_ms=12)] == [first]
        assert QuestionStatus.objects.get().best_runtime_ms == 12
        assert stats.verify() == []

    def test_none_of_no_tests_is_imported_as_not_solved(self, earlier: Earlier, reported: Any) -> None:
        user = earlier.user("alice@example.com")
        attempt = earlier.attempt(user, passed_tests=0, total_tests=0)
        earlier.status(user)
        imported, counted = (attempt, "no_tests", "imported, not solved"), "counted as not solved"
        assert reported() == [imported, (f"{user}/1", "never_solved", counted)]
        assert (Attempt.objects.get().solved, QuestionStatus.objects.get().solved_at) == (False, None)

    def test_a_question_that_was_solved_before_any_attempt_is_reported(self, earlier: Earlier, reported: Any) -> None:
        user = earlier.user("alice@example.com")
        earlier.attempt(user)
        earlier.status(user, solved_at=YEAR_AGO - timedelta(1), best_runtime_ms=-1)
        runtime, early = ("bad_runtime", "counted without it"), ("solved_earlier", "counted from the attempts")
        assert reported() == [(f"{user}/1", *runtime), (f"{user}/1", *early)]
        assert QuestionStatus.objects.get().solved_at == YEAR_AGO

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({"passed_tests": 3}, "bad_result"),
            ({"question_id": 0}, "bad_question"),
            ({"language": ""}, "bad_language"),
            ({"language": "x" * 65}, "bad_language"),
            ({"created_at": "infinity"}, "bad_time"),
            ({"created_at": "2999-12-31"}, "bad_time"),
            ({"id": "17"}, "bad_id"),
        ],
    )
    def test_what_cannot_be_an_attempt_is_reported(
        self, earlier: Earlier, reported: Any, values: dict[str, Any], reason: str
    ) -> None:
        attempt = earlier.attempt(earlier.user("alice@example.com"), **values)
        assert reported() == [(attempt, reason, NOT)]
        assert not Attempt.objects.exists()

    def test_one_of_a_user_that_is_gone_is_reported(self, earlier: Earlier, reported: Any) -> None:
        attempt = earlier.attempt("gone")
        earlier.status("gone")
        assert reported() == [(attempt, "user_gone", NOT), ("gone/1", "user_gone", NOT)]

    def test_ids_that_are_one_uuid_in_two_spellings_are_one_row(self, earlier: Earlier, reported: Any) -> None:
        user = earlier.user("alice@example.com")
        first = earlier.attempt(user)
        second = earlier.attempt(user, id=first.upper(), created_at=YEAR_AGO + timedelta(1))
        assert reported() == [(second, "id_taken", NOT)]
        assert str(Attempt.objects.get().pk) == first

    def test_an_id_in_capitals_is_the_same_uuid(self, earlier: Earlier, db: None) -> None:
        user = earlier.user("alice@example.com", id="0B6C1F5E-51C7-4F0E-9D55-8B5D3A0A2F44")
        earlier.attempt(user)
        assert run(earlier)[1] == 0
        assert str(Attempt.objects.get().user_id) == user.lower()


class TestAgain:
    def test_a_second_run_imports_nothing_and_says_so(self, earlier: Earlier, db: None) -> None:
        earlier.attempt(earlier.user("alice@example.com"))
        run(earlier)
        stored = list(User.objects.values()), list(Attempt.objects.values()), list(QuestionStatus.objects.values())
        said, code = run(earlier)
        assert code == 0 and said.startswith("There was nothing left to import.\n")
        assert "users: read 0 rows " in said and "attempts: read 1 row " in said
        assert stored == (
            list(User.objects.values()),
            list(Attempt.objects.values()),
            list(QuestionStatus.objects.values()),
        )
        assert [entry.facts for entry in AuditEntry.objects.all()] == [{"users": 1, "attempts": 1}]

    def test_what_was_changed_here_stays(self, earlier: Earlier, db: None) -> None:
        earlier.attempt(earlier.user("alice@example.com", name="Alice"))
        run(earlier)
        User.objects.update(name="Alicia", role=Role.ADMIN)
        assert run(earlier)[1] == 0
        assert User.objects.values_list("name", "role").get() == ("Alicia", Role.ADMIN)

    def test_new_attempts_are_added_to_those_that_are_there(self, earlier: Earlier, db: None) -> None:
        user = earlier.user("alice@example.com")
        earlier.attempt(user)
        run(earlier)
        api = login("alice@example.com")
        body = {"question_id": 1, "language": "go", "submitted_code": "", "passed_tests": 0, "total_tests": 2}
        assert api.post("/api/v1/attempts/", body).status_code == 201
        earlier.attempt(user, created_at=YEAR_AGO + timedelta(1))
        assert run(earlier)[1] == 0
        assert (Attempt.objects.count(), QuestionStatus.objects.get().attempts) == (3, 3)

    def test_an_address_that_somebody_has_here_is_theirs(self, earlier: Earlier, reported: Any) -> None:
        mine = User.objects.create_user("alice@example.com", PASSWORD)
        id_ = earlier.user("Alice@example.com")
        attempt = earlier.attempt(id_)
        assert reported() == [(id_, "address_taken", NOT), (attempt, "user_not_imported", NOT)]
        assert User.objects.get() == mine

    def test_an_account_that_was_deleted_here_does_not_come_back(self, earlier: Earlier, reported: Any) -> None:
        id_ = earlier.user("alice@example.com")
        run(earlier)
        login("alice@example.com").delete("/users/me")
        assert reported() == [(id_, "deleted_here", NOT)]
        assert not User.objects.exists()


def login(email: str) -> Api:
    tokens = Api().post("/auth/login", {"email": email, "password": PASSWORD}).json()
    return Api(tokens["access_token"])


class TestWhatItSays:
    def test_a_dry_run_reports_and_writes_nothing(self, earlier: Earlier, tmp_path: Path, db: None) -> None:
        user = earlier.user("alice@example.com")
        earlier.attempt(user)
        bad = earlier.attempt(user, passed_tests=3)
        said, code = run(earlier, "--dry-run", f"--report={tmp_path / 'report'}")
        verdict, heading, *_ = said.splitlines()
        assert verdict == (
            "Nothing was written. An empty database would get users: 1, attempts: 1. Left out: users: 0, attempts: 1. "
            "Problems: 1."
        )
        assert "to import" in heading and code == 1 and bad in (tmp_path / "report").read_text()
        counted = {"read": 2, "to_import": 1, "there_before": None, "not_imported": 1}
        assert json.loads(run(earlier, "--dry-run", "--json")[0])["tables"]["attempts"] == counted
        assert not User.objects.exists() and not AuditEntry.objects.exists()

    def test_the_summary_counts_every_row(self, earlier: Earlier, db: None) -> None:
        user = earlier.user("alice@example.com")
        earlier.user("nobody")
        for passed in (1, 2, 3):
            earlier.attempt(user, passed_tests=passed)
        lines = run(earlier)[0].splitlines()
        assert [line.split() for line in lines[2:4]] == [
            ["users", "2", "1", "0", "1"],
            ["attempts", "3", "2", "0", "1"],
        ]
        assert "attempts: bad_result: 1 (not imported)" in lines

    def test_a_program_reads_the_same(self, earlier: Earlier, db: None) -> None:
        earlier.user("nobody")
        earlier.user("alice@example.com")
        said, code = run(earlier, "--json")
        assert code == 1
        assert json.loads(said) == {
            "ok": False,
            "verdict": "Imported: users: 1, attempts: 0. Left out: users: 1, attempts: 0. Problems: 1.",
            "tables": {
                "users": {"read": 2, "imported": 1, "there_before": 0, "not_imported": 1},
                "attempts": {"read": 0, "imported": 0, "there_before": 0, "not_imported": 0},
            },
            "problems": [{"table": "users", "reason": "bad_address", "outcome": NOT, "rows": 1}],
            "different": [],
        }

    def test_the_report_is_its_owners_and_has_no_hash(self, earlier: Earlier, tmp_path: Path, db: None) -> None:
        earlier.user("nobody", password_hash="$argon2id$secret")
        earlier.user("alice@example.com", password_hash="$argon2id$secret")
        run(earlier, f"--report={tmp_path / 'report'}")
        assert (tmp_path / "report").stat().st_mode & 0o777 == 0o600
        assert "secret" not in (tmp_path / "report").read_text()

    @pytest.mark.usefixtures("db")
    def test_the_report_is_a_new_file_which_only_a_good_source_gets(self, earlier: Earlier, tmp_path: Path) -> None:
        file = tmp_path / "report"
        earlier.execute("ALTER TABLE attempts RENAME TO elsewhere")
        with pytest.raises(CommandError, match="it has no table attempts"):
            run(earlier, f"--report={file}")
        assert not file.exists()
        file.write_text("of another run")
        with pytest.raises(CommandError) as refused:
            run(earlier, f"--report={file}")
        assert (str(refused.value), refused.value.returncode) == (f"{file}: File exists.", 2)
        assert file.read_text() == "of another run"

    def test_a_row_that_is_stored_otherwise_fails_the_reconciliation(self, earlier: Earlier, db: None) -> None:
        attempt = earlier.attempt(earlier.user("alice@example.com"), language="Go")
        with connection.cursor() as cursor:
            for statement in TRIGGER[connection.vendor]:
                cursor.execute(statement)
        said, code = run(earlier)
        assert (said.splitlines()[0], code) == ("What is stored differs from what was read.", 2)
        assert str(Attempt.objects.get().pk) == attempt

    def test_the_source_is_not_written(self, earlier: Earlier, db: None) -> None:
        """Not even where a table of it, being a view, would write."""
        earlier.attempt(earlier.user("alice@example.com"))
        earlier.execute(WRITING)
        with pytest.raises(CommandError, match="cannot execute INSERT in a read-only transaction") as refused:
            run(earlier)
        assert refused.value.returncode == 2

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            ("DROP TABLE attempts", "it has no table attempts."),
            ("ALTER TABLE users DROP failed_attempts", "its table users lacks failed_attempts."),
        ],
    )
    def test_another_database_is_refused_in_a_line(self, earlier: Earlier, db: None, statement: str, said: str) -> None:
        earlier.execute(statement)
        with pytest.raises(CommandError) as refused:
            run(earlier)
        assert str(refused.value) == f"The source is not the earlier service's database: {said}"
        assert refused.value.returncode == 2

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://u:hidden@127.0.0.1:1/x",
            "postgresql://u:p@hidden@127.0.0.1/x",
            "postgresql://u:hidden@:x/",
            "postgresql://127.0.0.1:1/x?no_parameter=hidden",
            "mysql://hidden",
        ],
    )
    def test_a_source_that_cannot_be_opened_is_a_line_without_the_password(self, db: None, url: str) -> None:
        with pytest.raises(CommandError) as refused:
            call_command("import_legacy", "--source", url)
        assert refused.value.returncode == 2
        assert "hidden" not in str(refused.value) and "\n" not in str(refused.value)

    def test_which_of_the_two_databases_does_not_answer_is_said(
        self, earlier: Earlier, migrated: str, django_db_blocker: Any
    ) -> None:
        nowhere = "postgresql://127.0.0.1:1/x"
        with django_db_blocker.unblock(), connected_to("sqlite:////nonexistent/db"):
            for source, option, side in ((nowhere, "--dry-run", "source"), (earlier.url, "--yes", "database")):
                with pytest.raises(CommandError, match=rf"^The {side} does not answer: .*[^.]\.$") as refused:
                    call_command("import_legacy", "--source", source, option)
                assert refused.value.returncode == 2

    def test_the_url_may_be_as_the_earlier_service_has_it(self, earlier: Earlier) -> None:
        url = earlier.url.replace("postgresql://", "postgresql+asyncpg://")
        tuned = f"{url}{'&' if '?' in url else '?'}ssl=prefer&prepared_statement_cache_size=0"
        call_command("import_legacy", "--source", tuned, "--dry-run", stdout=StringIO())

    def test_a_target_without_migrations_is_named_in_a_line(
        self, earlier: Earlier, migrated: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
    ) -> None:
        earlier.user("alice@example.com")
        with (
            database(tmp_path_factory) as url,
            django_db_blocker.unblock(),
            connected_to(url),
            pytest.raises(CommandError) as refused,
        ):
            run(earlier)
        missing = {"postgresql": 'relation "users" does not exist', "sqlite": "no such table: users"}
        assert str(refused.value) == f"It stopped: {missing[connection.vendor]}. Run `manage.py migrate`."

    @pytest.mark.parametrize("number", ["0", "30001", "-1", "many"])
    def test_a_transaction_has_a_bounded_number_of_users(self, number: str) -> None:
        with pytest.raises(CommandError, match="a whole number from 1 to 30000"):
            call_command("import_legacy", "--source", "postgresql://127.0.0.1:1/x", f"--users-at-once={number}")


TRIGGER = {
    "postgresql": [
        """CREATE FUNCTION pg_temp.shout() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN NEW.language := upper(NEW.language); RETURN NEW; END $$""",
        "CREATE TRIGGER shout BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION pg_temp.shout()",
    ],
    "sqlite": [
        """CREATE TRIGGER shout AFTER INSERT ON attempts
        BEGIN UPDATE attempts SET language = upper(language) WHERE id = NEW.id; END""",
    ],
}

WRITING = """
CREATE TABLE log (id text);
CREATE FUNCTION log() RETURNS boolean LANGUAGE sql AS $$ INSERT INTO log VALUES ('read'); SELECT true $$;
ALTER TABLE attempts RENAME TO stored;
CREATE VIEW attempts AS SELECT * FROM stored WHERE log()
"""

# The code of one user takes a minute to read.
SLOW = """
CREATE FUNCTION slow(code text) RETURNS text STABLE LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_sleep(60); RETURN code; END $$;
ALTER TABLE attempts RENAME TO stored;
CREATE VIEW attempts AS SELECT id, user_id, question_id, language, passed_tests, total_tests, created_at,
    CASE user_id WHEN '{}' THEN slow(submitted_code) ELSE submitted_code END AS submitted_code FROM stored
"""

DISCONNECT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_it_goes_on_after_a_kill(
    earlier: Earlier, migrated: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> None:
    users = sorted(earlier.user(f"user{number}@example.com") for number in range(6))
    attempts = {earlier.attempt(user, question_id=number) for user in users for number in (1, 2)}
    earlier.execute(SLOW.format(users[4]))
    with database(tmp_path_factory, of=migrated) as url, django_db_blocker.unblock(), connected_to(url):
        command = [sys.executable, "manage.py", "import_legacy", "--source", earlier.url, "--users-at-once=2"]
        variables = {**os.environ, "DATABASE_URL": url}
        with subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL) as process:
            wait_until(lambda: User.objects.count() == 4)
            process.send_signal(signal.SIGKILL)
        earlier.execute(DISCONNECT)
        earlier.execute("DROP VIEW attempts; ALTER TABLE stored RENAME TO attempts")
        said, code = run(earlier)
        assert code == 0 and [line.split() for line in said.splitlines()[2:4]] == [
            ["users", "6", "2", "4", "0"],
            ["attempts", "12", "4", "8", "0"],
        ]
        assert {str(pk) for pk in User.objects.values_list("pk", flat=True)} == set(users)
        assert {str(pk) for pk in Attempt.objects.values_list("pk", flat=True)} == attempts
        assert stats.verify() == []
