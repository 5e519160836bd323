"""Whether people with any eyes, and with a screen reader, can use a page: axe's rules, of every level."""

import re
from collections.abc import Sequence
from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
WIDTHS = (390, 768, 1280)  # CSS pixels: a phone, a tablet, a desktop
AT_REST = """() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn))).then(() =>
    Promise.allSettled(document.getAnimations().map(animation => animation.finished)))"""
VIOLATIONS = """() => axe.run({resultTypes: ["violations"], preload: false, selectors: false}).then(
    results => results.violations.flatMap(rule =>
        rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)} (${node.failureSummary})`)))"""


def assert_accessible(page: Page, widths: Sequence[int] = WIDTHS) -> None:
    """Checks the page that is open, at each of the widths in both themes."""
    page.evaluate(AXE_SCRIPT)
    for theme in THEMES:
        choose_theme(page, theme)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(AT_REST)  # the menu fades out where there is no room for it
            violations = page.evaluate(VIOLATIONS)
            assert not violations, "\n".join([f"{page.url} at {width} pixels, {theme}:", *violations])


def choose_theme(page: Page, theme: Theme) -> None:
    """As by the browser's preference, which the admin site asks for only when it opens a page."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    asks_once = "dark => document.querySelector('html[x-bind]')?.classList.toggle('dark', dark)"
    page.evaluate(asks_once, theme == "dark")


def contrast(one: str, other: str) -> float:
    """The ratio between two opaque colours, as WCAG 2 has it: 3 for what is drawn, 4.5 for text.

    Args:
        one, other: `#rrggbb`, or `rgb(r, g, b)` as a browser reports it.
    """
    darker, lighter = sorted(luminance(colour) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = bytes.fromhex(colour[1:7]) if colour.startswith("#") else map(int, re.findall(r"\d+", colour)[:3])
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
