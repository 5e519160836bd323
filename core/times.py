"""Times in UTC."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def in_utc(time: datetime) -> datetime:
    """The same time in UTC, which one without an offset is in already.

    Raises:
        OverflowError: it is before or after the years that a datetime can have.
    """
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def moment(time: datetime) -> str:
    """A time in UTC as pages, mails and commands show it; `peerprep_users/dates` has the same for templates."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
