"""Programs that only some tests need: without one they are skipped, or fail where REQUIRE_SERVICES is set."""

import os
import shutil
from typing import NoReturn

import pytest

FOLDERS = ("/usr/lib/rabbitmq/bin", os.environ["PATH"], "/usr/sbin")


def give_up(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_SERVICES"):
        pytest.fail(reason)
    pytest.skip(reason)


def program(*names: str, package: str = "") -> str:
    """The path of the first that is found.

    Args:
        package: of Debian, where it has another name.
    """
    found = (shutil.which(name, path=os.pathsep.join(FOLDERS)) for name in names)
    return next(filter(None, found), "") or give_up(f"there is no {names[0]}: apt-get install {package or names[0]}")
