"""The settings with less time for a request, for the servers whose database lets them wait."""

from datetime import timedelta

from peerprep_users.settings import *  # noqa: F403
from peerprep_users.settings import SQLITE_OPTIONS

REQUEST_TIME = timedelta(seconds=2)
SQLITE_OPTIONS["timeout"] = 2
