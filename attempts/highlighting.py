"""Code in colours, highlighted on the server: the page needs no script."""

import time
from collections.abc import Iterator
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from pygments import format as format_tokens
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

HIGHLIGHTED_LENGTH = 20_000  # characters
CPU_SECONDS = 0.5  # lexers take quadratic time for some texts, each token a little
LEXERS = {  # of the languages that PeerPrep has, by the names that clients give them
    "c": "c",
    "c#": "csharp",
    "c++": "cpp",
    "cpp": "cpp",
    "cs": "csharp",
    "csharp": "csharp",
    "go": "go",
    "golang": "go",
    "java": "java",
    "javascript": "javascript",
    "js": "javascript",
    "kotlin": "kotlin",
    "kt": "kotlin",
    "mysql": "sql",
    "node": "javascript",
    "nodejs": "javascript",
    "php": "php",
    "postgresql": "sql",
    "py": "python",
    "python": "python",
    "python2": "python",
    "python3": "python",
    "rb": "ruby",
    "rs": "rust",
    "ruby": "ruby",
    "rust": "rust",
    "scala": "scala",
    "sql": "sql",
    "swift": "swift",
    "ts": "typescript",
    "typescript": "typescript",
}


class LexingTooSlow(Exception):
    """The code takes the lexer more than `CPU_SECONDS`."""


def highlighted(code: str, language: str) -> SafeString:
    """The code as HTML; plain if the language is none of `LEXERS`, or the code is long or takes too long."""
    name = LEXERS.get(language.strip().lower())
    if name and len(code) <= HIGHLIGHTED_LENGTH:
        try:
            html = format_tokens(tokens_in_time(name, code), HtmlFormatter(cssclass="code"))
            return mark_safe(html)  # noqa: S308 - the formatter escapes
        except LexingTooSlow:
            pass
    return format_html('<div class="code"><pre>{}</pre></div>', code)


def tokens_in_time(lexer: str, code: str) -> Iterator[tuple[Any, str]]:
    deadline = time.thread_time() + CPU_SECONDS
    for token in get_lexer_by_name(lexer, stripnl=False, ensurenl=False).get_tokens(code):
        if time.thread_time() > deadline:
            raise LexingTooSlow
        yield token
