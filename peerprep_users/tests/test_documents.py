"""The documents: what they point to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")]


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_its_links_lead_somewhere(document: Path) -> None:
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", document.read_text()):
        target = (document.parent / file) if file else document
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), anchor


def test_the_tests_that_show_what_security_promises_are_there() -> None:
    named = re.findall(r"`(\w+/tests/[\w/]+\.py)`", (ROOT / "docs/security.md").read_text())
    assert named
    assert [file for file in named if not (ROOT / file).exists()] == []


def test_a_test_in_a_browser_makes_each_picture_of_the_guide_for_admins() -> None:
    tests = [file.read_text() for file in Path(__file__).parent.glob("test_*.py")]
    made = {name for text in tests for name in re.findall(r'^ +picture\(\w+, "([\w-]+)"', text, re.MULTILINE)}
    shown = re.findall(r"!\[[^\]]+\]\(images/admin/([\w-]+)\.png\)", (ROOT / "docs/admin.md").read_text())
    kept = {file.stem: file.stat().st_size for file in (ROOT / "docs/images/admin").iterdir()}
    assert sorted(shown) == sorted(made) == sorted(kept)
    assert max(kept.values()) <= 100 * 1024  # bytes
