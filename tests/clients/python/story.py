"""The newcomer's story, told with the Python client that is generated from the OpenAPI document.

It asks for what is in a mail with a line such as `token alice@example.com`, and reads the answer from its next line.
"""

import sys
from typing import assert_never
from uuid import uuid4

from peerprep import AuthenticatedClient, Client
from peerprep.api.attempts import export_attempts, list_attempts, read_attempt, record_attempt, summarise_attempts
from peerprep.api.auth import (
    forgot_password,
    login,
    logout,
    refresh,
    register,
    reset_password,
    verify_email,
    verify_password,
    verify_reset_code,
)
from peerprep.api.services import list_revocations
from peerprep.api.users import delete_me, export_me, home, is_admin, read_me
from peerprep.models import (
    AccountExport,
    AddressRequest,
    Greeting,
    InvalidRefreshTokenError,
    InvalidResetCodeError,
    InvalidTokenError,
    IsAdmin,
    ListedAttempt,
    LoginRequest,
    Message,
    NewAttemptRequest,
    Ok,
    OkMessage,
    PasswordRequest,
    Profile,
    RefreshedTokenPair,
    RefreshRequest,
    RegistrationRequest,
    ResetCodeRequest,
    ResetRequest,
    Revocations,
    Role,
    ShownAttempt,
    Summary,
    TokenPair,
    ValidationError,
    VerificationTokenRequest,
)

BASE_URL, SERVICE_KEY = sys.argv[1:]
EMAIL = f"newcomer-{uuid4().hex[:8]}@example.com"
PASSWORD, NEW_PASSWORD = "correct horse battery", "another horse altogether"

nobody = Client(BASE_URL)
service = AuthenticatedClient(BASE_URL, SERVICE_KEY, prefix="", auth_header_name="X-Service-Key")


def mailed(what: str) -> str:
    sys.stdout.write(f"{what} {EMAIL}\n")
    sys.stdout.flush()
    return input()


def signed_in(pair: TokenPair | RefreshedTokenPair) -> AuthenticatedClient:
    return AuthenticatedClient(BASE_URL, pair.access_token)


def attempt(question_id: int, passed_tests: int) -> NewAttemptRequest:
    return NewAttemptRequest(question_id, "python", "print(42)", passed_tests, total_tests=5)


def why_not(password: str) -> str:
    answer = login.sync(client=nobody, body=LoginRequest(EMAIL, password))
    assert answer is not None
    assert not isinstance(answer, TokenPair)
    match answer.code:
        case "invalid_credentials" | "email_not_verified" | "account_locked":
            return answer.code
        case "validation_error" | "body_too_large" | "request_too_large" | "unsupported_media_type":
            return "a fault of this program"
        case "rate_limited" | "busy" | "service_unavailable" | "signing_key_sealed" | "internal_error":
            return "later, perhaps"
        case _:
            assert_never(answer.code)  # mypy says so if there is one more


def registers() -> None:
    pair = register.sync(client=nobody, body=RegistrationRequest(EMAIL, PASSWORD, "Newcomer"))
    assert isinstance(pair, TokenPair)
    greeting = home.sync(client=signed_in(pair))
    assert isinstance(greeting, Greeting)
    assert greeting.message == "Welcome, Newcomer!"
    assert why_not(PASSWORD) == "email_not_verified"
    assert verify_email.sync(client=nobody, body=VerificationTokenRequest(mailed("token"))) == Ok(True)


def logs_in(password: str) -> TokenPair:
    pair = login.sync(client=nobody, body=LoginRequest(EMAIL, password))
    assert isinstance(pair, TokenPair)
    me = read_me.sync(client=signed_in(pair))
    assert isinstance(me, Profile)
    assert (me.email, me.name, me.role) == (EMAIL, "Newcomer", Role.USER)
    assert is_admin.sync(client=signed_in(pair)) == IsAdmin(False)
    return pair


def submits_attempts(client: AuthenticatedClient) -> None:
    for question_id, passed_tests in [(17, 3), (17, 5), (18, 5)]:
        answer = record_attempt.sync(client=client, body=attempt(question_id, passed_tests))
        assert isinstance(answer, ListedAttempt)
        assert answer.is_solved == (passed_tests == 5)
    refused = record_attempt.sync(client=client, body=attempt(17, 6))
    assert isinstance(refused, ValidationError)
    assert refused.detail[0].msg == "passed_tests must not be more than total_tests."


def looks_back(client: AuthenticatedClient) -> None:
    page = list_attempts.sync(client=client, limit=2)
    assert isinstance(page, list)
    assert [each.question_id for each in page] == [18, 17]
    summary = summarise_attempts.sync(client=client)
    assert isinstance(summary, Summary)
    assert (summary.total_attempts, summary.solved) == (3, 2)
    shown = read_attempt.sync(page[0].id, client=client)
    assert isinstance(shown, ShownAttempt)
    assert shown.submitted_code == "print(42)"
    rows = export_attempts.sync(client=client)
    assert isinstance(rows, list)
    assert [row.created_at for row in rows][:2] == [each.created_at for each in page]
    account = export_me.sync(client=client)
    assert isinstance(account, AccountExport)
    assert (account.profile.email, account.questions[0].best_passed_tests) == (EMAIL, 5)


def forgets_the_password_and_resets_it(client: AuthenticatedClient) -> None:
    assert [why_not("was it this one?") for _ in range(4)] == ["invalid_credentials"] * 3 + ["account_locked"]
    assert forgot_password.sync(client=nobody, body=AddressRequest(EMAIL)) == Ok(True)
    code = mailed("code")
    assert verify_reset_code.sync(client=nobody, body=ResetCodeRequest(EMAIL, code)) == Ok(True)
    reset = ResetRequest(EMAIL, code, NEW_PASSWORD)
    assert reset_password.sync(client=nobody, body=reset) == Ok(True)
    assert isinstance(reset_password.sync(client=nobody, body=reset), InvalidResetCodeError)
    assert isinstance(read_me.sync(client=client), InvalidTokenError)


def comes_back_and_leaves(pair: TokenPair) -> None:
    refreshed = refresh.sync(client=nobody, body=RefreshRequest(pair.refresh_token))
    assert isinstance(refreshed, RefreshedTokenPair)
    client = signed_in(refreshed)
    assert verify_password.sync(client=client, body=PasswordRequest(NEW_PASSWORD)) == Ok(True)
    assert logout.sync(client=client) == OkMessage(True, "Logged out successfully")
    ended = refresh.sync(client=nobody, body=RefreshRequest(refreshed.refresh_token))
    assert isinstance(ended, InvalidRefreshTokenError)
    gone = delete_me.sync(client=signed_in(logs_in(NEW_PASSWORD)))
    assert gone == Message("Account deleted successfully.")
    assert why_not(NEW_PASSWORD) == "invalid_credentials"


def is_heard_of_by_other_services() -> None:
    told = list_revocations.sync(client=service)
    assert isinstance(told, Revocations)
    assert told.events[-1].reason == "deleted"
    assert isinstance(list_revocations.sync(client=service, since=told.next_), Revocations)


registers()
first = logs_in(PASSWORD)
submits_attempts(signed_in(first))
looks_back(signed_in(first))
forgets_the_password_and_resets_it(signed_in(first))
comes_back_and_leaves(logs_in(NEW_PASSWORD))
is_heard_of_by_other_services()
