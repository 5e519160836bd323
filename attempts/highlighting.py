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
# The languages that PeerPrep has, by the names that clients give them. Pygments knows each under all of its names.
HIGHLIGHTED = {
    *("c", "c++", "cpp", "c#", "cs", "csharp", "go", "golang", "java", "javascript", "js", "kotlin", "php"),
    *("py", "python", "python2", "python3", "rb", "ruby", "rs", "rust", "scala", "swift", "ts", "typescript"),
    *("mysql", "postgresql", "sql"),
}


class LexingTooSlow(Exception):
    """The code takes the lexer more than `CPU_SECONDS`."""


def highlighted(code: str, language: str) -> SafeString:
    """The code as HTML; plain if the language is none of `HIGHLIGHTED`, or the code is long or takes too long."""
    name = language.strip().lower()
    if name in HIGHLIGHTED and len(code) <= HIGHLIGHTED_LENGTH:
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
