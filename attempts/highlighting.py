"""Code in colours, for people to read. It is highlighted on the server, and shown without any script."""

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

MOST = 20_000  # characters; some lexers take their time over more
ALIASES = {"c++": "cpp", "node": "javascript", "nodejs": "javascript", "golang": "go", "c#": "csharp", "py": "python"}


def highlighted(code: str, language: str) -> SafeString:
    """The code as HTML. Plain where the language is none that is known, or the code is long."""
    if len(code) > MOST:
        return format_html('<div class="code"><pre>{}</pre></div>', code)
    name = language.strip().lower()
    try:
        lexer = get_lexer_by_name(ALIASES.get(name, name), stripnl=False, ensurenl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False, ensurenl=False)
    return mark_safe(highlight(code, lexer, HtmlFormatter(cssclass="code")))  # noqa: S308 - the formatter escapes
