"""Submitted code in colours. The admin site's page of an attempt shows it."""

import re
import time
from html import unescape

import pytest

from attempts.highlighting import CPU_SECONDS, LEXERS, highlighted


@pytest.mark.parametrize(
    ("language", "coloured"),
    [*((name, True) for name in LEXERS), (" Python ", True), ("C++", True), ("c-objdump", False), ("html+php", False)],
)
def test_code_is_coloured_in_the_languages_that_there_are(language: str, coloured: bool) -> None:
    assert ("<span class=" in highlighted("<?php return 1;", language)) == coloured


def test_long_code_is_not_coloured() -> None:
    assert "<span class=" in highlighted("return 1; " * 2_000, "c")
    assert "<span class=" not in highlighted("return 1; " * 2_001, "c")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "unit"),
    [
        ("c", "{"),
        ("c", "\n"),
        ("cpp", "/"),
        ("csharp", "x int\n"),
        ("go", '\\"'),
        ("java", "x int\n"),
        ("javascript", "\\'"),
        ("kotlin", "const "),
        ("php", "<?php $"),
        ("python", "\n  "),
        ("ruby", "=begin\n"),
        ("rust", "0x"),
        ("scala", "${"),
        ("sql", "#"),
        ("swift", "\\("),
        ("typescript", "`${"),
    ],
)
def test_code_that_takes_a_lexer_long_is_shown_all_the_same(language: str, unit: str) -> None:
    code = (unit * 20_000)[:20_000]
    started = time.thread_time()
    html = highlighted(code, language)
    assert time.thread_time() - started < 4 * CPU_SECONDS
    assert unescape(re.sub("<[^>]+>", "", html)).strip() == code.strip()


def test_code_chooses_no_lexer_by_itself() -> None:
    """As PostgreSQL's does, for the language of a function: some take exponential time."""
    started = time.thread_time()
    highlighted(f"$${'/**/' * 30}$$ LANGUAGE pawn", "postgresql")
    assert time.thread_time() - started < CPU_SECONDS
