"""What mails say, what they never contain, and that nobody else can have a say in them."""

import re
from collections.abc import Iterator
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.core.management import call_command

from accounts.mail.messages import SUBJECTS
from accounts.mail.queue import circumstances, deliver_due, enqueue
from accounts.models import Mail, User
from conftest import Api, Mailbox, Sink, person
from core.client import Client
from core.tests.servers import free_port
from core.times import moment

pytestmark = pytest.mark.any_database

FACTS = circumstances(Client(ip="2001:db8::7", user_agent="curl/8.0"))
KINDS = [Mail.Kind(kind) for kind in Mail.Kind.values]
HOSTILE = [
    "Eve\r\nBcc: victim@example.com",
    "Eve\nSubject: You have won\n\nBody",
    "Eve\r\n.\r\nMAIL FROM:<eve@evil.example>",
    "=?utf-8?q?Eve=0ABcc=3A_victim=40example=2Ecom?=",
    "Eve\u2028Bcc: victim@example.com",
]


def bodies(message: EmailMessage) -> dict[str, str]:
    found = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    return {kind: str(part.get_content()) for kind, part in found.items() if part}


class Addresses(HTMLParser):
    """Every address that a page asks its reader's client to go to or to load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            value or "" for name, value in attrs if name in {"href", "src", "action", "background", "srcset"}
        ]
        assert tag not in {"img", "script", "iframe", "link", "object", "video", "form"}


@pytest.mark.parametrize("kind", KINDS)
def test_they_lead_nowhere_but_to_the_public_address(
    db: None, mailbox: Mailbox, settings: Any, kind: Mail.Kind
) -> None:
    settings.PUBLIC_BASE_URL = "https://peerprep.example/app"
    person("una@example.com", is_verified=kind != Mail.Kind.VERIFICATION)
    enqueue(kind, "una@example.com", FACTS)
    content = bodies(mailbox.last())
    parser = Addresses()
    parser.feed(content["html"])
    addresses = [
        *parser.found,
        *(find for body in content.values() for find in re.findall(r"(?:https?:)?//[^\s<\"]+", body)),
    ]
    assert addresses
    assert all(address.startswith("https://peerprep.example/app") for address in addresses)
    assert "url(" not in content["html"] and "@import" not in content["html"]


@pytest.mark.parametrize("kind", KINDS)
def test_they_name_no_page_but_that_of_the_link(db: None, mailbox: Mailbox, kind: Mail.Kind) -> None:
    person("una@example.com", is_verified=kind != Mail.Kind.VERIFICATION)
    enqueue(kind, "una@example.com", FACTS)
    for body in bodies(mailbox.last()).values():
        assert "Forgot" not in body and body.count("http://localhost:8001/") == body.count("/verify-email?token=")


def test_no_host_header_gets_into_a_link(db: None, api: Api, mailbox: Mailbox) -> None:
    hosts = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "ftp"}
    api.post("/auth/register", {"email": "una@example.com", "password": "correct horse battery"}, **hosts)
    for body in bodies(mailbox.last()).values():
        assert "http://localhost:8001/verify-email?token=" in body and "evil" not in body


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
@pytest.mark.parametrize("kind", KINDS)
def test_a_name_gets_into_no_header(db: None, mailbox: Mailbox, kind: Mail.Kind, name: str) -> None:
    is_verified = kind != Mail.Kind.VERIFICATION
    person("eve@example.com", name=name, is_verified=is_verified)  # past the check that the API makes
    enqueue(kind, "eve@example.com", FACTS)
    received = mailbox.last()
    assert len(mailbox.sink.received) == 1
    assert received["To"] == "eve@example.com" and not received["Bcc"]
    assert "Eve" not in "".join(f"{name}: {value}" for name, value in received.items())
    assert set(bodies(received)) == {"plain", "html"}


@pytest.mark.parametrize(
    "name",
    [
        "Win at http://evil.example",
        "www.evil.example",
        "evil.example",
        "evil。example",
        "mail eve@evil.example",
        "//evil",
    ],
)
def test_a_name_cannot_advertise(db: None, mailbox: Mailbox, name: str) -> None:
    person("victim@example.com", name=name)
    enqueue(Mail.Kind.PASSWORD_CHANGED, "victim@example.com", FACTS)
    for body in bodies(mailbox.last()).values():
        assert "Hello," in body and "evil" not in body


@pytest.mark.parametrize("name", ["Una", "Dr. No", "Anne-Marie O’Neill", "李小龙"])
def test_a_name_is_greeted(db: None, mailbox: Mailbox, name: str) -> None:
    person("una@example.com", name=name)
    enqueue(Mail.Kind.PASSWORD_CHANGED, "una@example.com", FACTS)
    for body in bodies(mailbox.last()).values():
        assert f"Hello {name}," in body


@pytest.fixture
def seven_bits(mailbox: Mailbox, settings: Any) -> Iterator[Mailbox]:
    """A mailbox behind a server without 8BITMIME, which refuses any other bytes."""
    sink, port = Sink(), free_port()
    controller = Controller(sink, hostname="127.0.0.1", port=port, decode_data=True, enable_SMTPUTF8=False)
    controller.start()
    settings.EMAIL_PORT = port
    yield Mailbox(sink, port)
    controller.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_they_need_no_more_than_seven_bits(db: None, seven_bits: Mailbox, settings: Any, kind: Mail.Kind) -> None:
    settings.MAIL_FROM_NAME = "Übungsraum, 練習"
    person("zoe@example.com", name="Zoë", is_verified=kind != Mail.Kind.VERIFICATION)
    enqueue(kind, "zoe@example.com", FACTS)
    received = seven_bits.last()
    assert received["From"].addresses[0].display_name == "Übungsraum, 練習"
    assert received["Subject"].endswith(" - Übungsraum, 練習")
    for body in bodies(received).values():
        assert "Übungsraum, 練習" in body and ("Zoë" in body or kind == Mail.Kind.VERIFICATION)


def test_a_test_mail_needs_no_more_either(seven_bits: Mailbox, settings: Any) -> None:
    settings.APP_NAME = "Übungsraum"
    call_command("send_test_mail", "ops@example.com")
    assert "Übungsraum can send mail" in seven_bits.sink.received[0].get_content()


@pytest.mark.parametrize(
    "address",
    [
        "eve@example.com\r\nBcc: victim@example.com",
        "eve@example.com\nSubject: x",
        "eve@example.com, victim@example.com",
        "eve@example.com>\r\nRCPT TO:<victim@example.com",
    ],
    ids=ascii,
)
def test_an_address_cannot_bring_another_one(db: None, mailbox: Mailbox, address: str) -> None:
    user = person("eve@example.com").user
    User.objects.filter(pk=user.pk).update(email=address.lower())  # past every check
    enqueue(Mail.Kind.PASSWORD_CHANGED, address.lower(), FACTS)
    deliver_due()
    assert not mailbox.sink.received
    assert Mail.objects.get().state == Mail.State.QUEUED and Mail.objects.get().error


@pytest.mark.parametrize(
    "local", ['"eve, victim@example.org"', '"<victim@example.org>"', "eve+tag", "o'neill", '"a b"']
)
def test_an_odd_address_is_refused_or_gets_its_own_mail(db: None, api: Api, mailbox: Mailbox, local: str) -> None:
    address = f"{local}@example.com"
    answer = api.post("/auth/register", {"email": address, "password": "correct horse battery"})
    assert answer.status_code in {201, 422}
    mailbox.all()
    assert mailbox.sink.recipients == ([[address]] if answer.status_code == 201 else [])


def test_a_dead_mail_that_is_sent_after_all_says_when(db: None, mailbox: Mailbox) -> None:
    person("una@example.com")
    enqueue(Mail.Kind.PASSWORD_CHANGED, "una@example.com", {})
    text = bodies(mailbox.last())["plain"]
    assert f"When: {moment(Mail.objects.get().created_at)}" in text
    assert "Device" not in text and "IP address" not in text


def test_the_gallery_shows_every_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("mail_gallery", tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "index.html",
        *(f"{kind}.{form}" for kind in SUBJECTS for form in ("html", "txt")),
    }
    assert "Firefox on Linux" in (tmp_path / "new" / "new_device.html").read_text()


def test_the_page_of_the_gallery_leads_to_every_mail(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    call_command("mail_gallery", folder)
    links = re.findall(r'(?:href|src)="([^"]+)"', (folder / "index.html").read_text())
    assert set(links) == {path.name for path in folder.iterdir()} - {"index.html"}


def test_the_gallery_takes_no_folder_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        call_command("mail_gallery", tmp_path)
    assert not any(tmp_path.iterdir())
