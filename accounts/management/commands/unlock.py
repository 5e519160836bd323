from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts import lockout
from accounts.addresses import normalised


class Command(BaseCommand):
    help = "Opens the lock of an account before it opens by itself, and forgets its wrong passwords."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        address = normalised(email)
        end = lockout.locked_until(address)
        lockout.clear(address)
        was = f"was locked until {end:%Y-%m-%d %H:%M:%S} UTC; it is open now" if end else "was not locked"
        self.stdout.write(f"{address} {was}.")
