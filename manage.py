#!/usr/bin/env python
"""The operators' command line."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peerprep_users.settings")
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as exc:
        sys.exit(f"The database does not answer: {' '.join(str(exc).split())}")
