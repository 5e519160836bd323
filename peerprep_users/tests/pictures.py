"""The pictures of docs/admin.md, made by the tests in a browser so that they show the pages as they are."""

import os
import re
from pathlib import Path

from playwright.sync_api import Page

from peerprep_users.tests.browsing import DESKTOP

PICTURES = Path(__file__).resolve().parents[2] / "docs/images/admin"
MONTH = r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def picture(page: Page, name: str, height: int = DESKTOP["height"]) -> None:
    """Checks that the page still says what it said when its picture was made, but for dates, ids and numbers.

    With `RECORD_SCREENSHOTS=1`, makes the picture, so many pixels high, and keeps beside it what the page says.
    """
    said = re.sub(r"\d+(,\d+)*", "0", re.sub(MONTH, "Jan", re.sub(UUID, "0", page.locator("#content").aria_snapshot())))
    text = PICTURES / f"{name}.yaml"
    if "RECORD_SCREENSHOTS" in os.environ:
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size({**DESKTOP, "height": height})
        page.screenshot(path=PICTURES / f"{name}.png")
        page.set_viewport_size(DESKTOP)
        text.write_text(f"{said}\n")
    assert text.read_text() == f"{said}\n", f"{name}.png is out of date: docs/admin.md says how to make it anew"
