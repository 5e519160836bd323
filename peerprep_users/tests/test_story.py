"""The service as a newcomer meets it: a real server, a real database, real mail."""

from core.tests.servers import free_port, served
from peerprep_users.tests.story import Newcomer, inbox


def test_it_is_a_good_one(fresh_database: str) -> None:
    smtp_port = free_port()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(smtp_port), "MAIL_STARTTLS": "false"}
    with inbox(smtp_port) as box, served(free_port(), DATABASE_URL=fresh_database, **mail) as base_url:
        newcomer = Newcomer(base_url, box)
        for chapter in newcomer.chapters():
            chapter()
        newcomer.http.close()
