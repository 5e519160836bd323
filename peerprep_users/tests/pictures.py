"""The pictures of docs/admin.md, made by the tests in a browser so that they show the pages as they are."""

import os
from pathlib import Path

from playwright.sync_api import Page

PICTURES = Path(__file__).resolve().parents[2] / "docs/images/admin"


def picture(page: Page, name: str) -> None:
    """With `RECORD_SCREENSHOTS=1`, keeps what a desktop shows as the picture of this name."""
    if os.environ.get("RECORD_SCREENSHOTS"):
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size({"width": 1100, "height": 640})
        page.screenshot(path=PICTURES / f"{name}.png")
