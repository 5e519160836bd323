"""Whether people with any eyes, and with a screen reader, can use a page: axe's rules, of every level."""

from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

WIDTHS = (390, 768, 1280)  # CSS pixels: a phone, a tablet, a desktop
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
VIOLATIONS = """() => axe.run({resultTypes: ["violations"]}).then(results => results.violations.flatMap(rule =>
    rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)} (${node.failureSummary})`)))"""


def assert_accessible(page: Page) -> None:
    """Checks the page that is open, at each width in both themes, which it takes from the browser's preference."""
    page.evaluate(AXE_SCRIPT)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            violations = page.evaluate(VIOLATIONS)
            assert not violations, "\n".join([f"{page.url} at {width} pixels, {theme}:", *violations])
