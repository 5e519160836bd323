"""Mail to a server that wants TLS and a password."""

import os
import runpy
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.utils import timezone

from accounts.mail.queue import circumstances, deliver_due, enqueue
from accounts.models import Mail
from conftest import Person, Sink
from core.client import Client
from core.tests.servers import ROOT, free_port

ADDRESS = "127.0.0.1"  # the one that the server's certificate is for
ACCOUNT = {"MAIL_USERNAME": "mailer", "MAIL_PASSWORD": "a secret of the mail server"}
KEY_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class Guarded(Sink):
    """Keeps mail, and who tried to sign in with what."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[str] = []
        self.admitted: list[str] = []

    def admit(self, server: Any, session: Any, envelope: Any, mechanism: str, sent: LoginPassword) -> AuthResult:
        name, password = sent.login.decode(), sent.password.decode()
        right = {"MAIL_USERNAME": name, "MAIL_PASSWORD": password} == ACCOUNT
        self.admitted += [name] * right
        return AuthResult(success=right, handled=False)


class Guard(SMTP):
    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        self.event_handler.commands.append(arg)
        await super().smtp_AUTH(arg)


class Server(Controller):
    def __init__(self, variables: dict[str, str], **options: Any) -> None:
        self.sink = Guarded()
        options |= {"server_hostname": "mail.example", "authenticator": self.sink.admit}
        super().__init__(self.sink, hostname=ADDRESS, port=free_port(), **options)
        self.variables = {"MAIL_SERVER": ADDRESS, "MAIL_PORT": str(self.port), **variables}

    def factory(self) -> SMTP:
        return Guard(self.handler, **self.SMTP_kwargs)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


@dataclass(frozen=True)
class Identity:
    """What a server proves itself with, and the authority that vouches for it."""

    context: ssl.SSLContext
    authority: Path


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    folder = tmp_path_factory.mktemp("tls")
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = certificate("An authority", authority_key, "An authority", authority_key, authority=True)
    own = certificate("A mail server", key, "An authority", authority_key)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "authority.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    (folder / "server.pem").write_bytes(own.public_bytes(Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Identity(context, folder / "authority.pem")


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
) -> x509.Certificate:
    now = timezone.now()
    use = "key_cert_sign" if authority else "digital_signature"
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{name: name == use for name in KEY_USES}), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(ADDRESS))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, SHA256())
    )


@pytest.fixture
def starttls(identity: Identity) -> Iterator[Server]:
    with Server({"MAIL_STARTTLS": "true"}, tls_context=identity.context, require_starttls=True) as server:
        yield server


@pytest.fixture
def implicit(identity: Identity) -> Iterator[Server]:
    with Server({"MAIL_SSL_TLS": "true"}, ssl_context=identity.context, auth_require_tls=False) as server:
        yield server


@pytest.fixture
def plain() -> Iterator[Server]:
    """Offers to take a password in the clear, as one does that strips STARTTLS from another's offer."""
    with Server({"MAIL_STARTTLS": "true"}, auth_require_tls=False) as server:
        yield server


@pytest.fixture(params=["starttls", "implicit"])
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def trusted(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.authority))


Send = Callable[..., Mail]


@pytest.fixture
def send(alice: Person, settings: Any) -> Send:
    """Delivers a mail with what the environment says of the server; returns what became of it."""

    def run(server: Server, **variables: str) -> Mail:
        with patch.dict(os.environ, server.variables | variables):
            loaded = runpy.run_path(str(ROOT / "peerprep_users" / "settings.py"))
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        for name, value in loaded.items():
            if name.startswith("EMAIL_"):
                setattr(settings, name, value)
        enqueue(Mail.Kind.PASSWORD_CHANGED, alice.user.email, circumstances(Client(ip="192.0.2.7", user_agent="curl")))
        deliver_due()
        return Mail.objects.get()

    return run


def assert_kept(mail: Mail, server: Server, variables: str, why: str) -> None:
    """Kept for another try, with an error that says which variables to look at, and why."""
    assert (mail.state, mail.tries, bool(mail.facts)) == (Mail.State.QUEUED, 1, True)
    assert f" {variables}: " in mail.error and why in mail.error
    assert not server.sink.received


def assert_delivered(mail: Mail, server: Server) -> None:
    assert (mail.state, mail.error) == (Mail.State.SENT, "")
    assert [received["To"] for received in server.sink.received] == ["alice@example.com"]


def test_it_is_kept_where_no_known_authority_vouches_for_the_server(server: Server, send: Send) -> None:
    assert_kept(send(server, **ACCOUNT), server, "VALIDATE_CERTS", "is not valid: ")
    assert not server.sink.commands


def test_it_is_delivered_whoever_the_server_is_where_that_is_not_to_be_checked(server: Server, send: Send) -> None:
    assert_delivered(send(server, VALIDATE_CERTS="false"), server)


@pytest.mark.usefixtures("trusted")
class TestATrustedServer:
    def test_it_gets_the_mail(self, server: Server, send: Send) -> None:
        assert_delivered(send(server), server)

    def test_it_gets_nothing_under_another_name(self, server: Server, send: Send) -> None:
        mail = send(server, MAIL_SERVER="localhost", **ACCOUNT)
        assert_kept(mail, server, "VALIDATE_CERTS", "certificate is not valid for 'localhost'")
        assert not server.sink.commands

    def test_it_gets_the_password(self, server: Server, send: Send) -> None:
        assert_delivered(send(server, **ACCOUNT), server)
        assert server.sink.admitted == ["mailer"]

    def test_it_gets_no_password_where_none_is_to_be_used(self, server: Server, send: Send) -> None:
        assert_delivered(send(server, USE_CREDENTIALS="false", **ACCOUNT), server)
        assert not server.sink.commands

    def test_its_refusal_of_the_password_is_recorded_and_the_password_is_not(
        self, server: Server, send: Send, caplog: pytest.LogCaptureFixture
    ) -> None:
        mail = send(server, **(ACCOUNT | {"MAIL_PASSWORD": "mistyped"}))
        assert_kept(mail, server, "MAIL_USERNAME, MAIL_PASSWORD", ": 535 5.7.8 Authentication credentials invalid")
        (record,) = [record for record in caplog.records if record.name == "accounts.mail.queue"]
        assert "mistyped" not in f"{mail.error} {record.getMessage()} {record.__dict__}"


@pytest.mark.usefixtures("trusted")
class TestAPassword:
    def test_it_is_not_sent_in_the_clear_to_a_server_that_demands_tls(self, starttls: Server, send: Send) -> None:
        mail = send(starttls, MAIL_STARTTLS="false", **ACCOUNT)
        assert_kept(mail, starttls, "USE_CREDENTIALS", "offers no authentication.")
        assert not starttls.sink.commands

    def test_it_is_not_sent_in_the_clear_where_tls_is_wanted_and_not_offered(self, plain: Server, send: Send) -> None:
        assert_kept(send(plain, **ACCOUNT), plain, "MAIL_STARTTLS", "does not offer it.")
        assert not plain.sink.commands
