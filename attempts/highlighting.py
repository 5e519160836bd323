"""Code in colours, highlighted on the server: the page needs no script."""

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

HIGHLIGHTED_LENGTH = 20_000  # characters; some lexers are slow beyond that
ALIASES = {"c++": "cpp", "node": "javascript", "nodejs": "javascript", "golang": "go", "c#": "csharp", "py": "python"}


def highlighted(code: str, language: str) -> SafeString:
    """The code as HTML, plain if the language is unknown or the code is long."""
    if len(code) > HIGHLIGHTED_LENGTH:
        return format_html('<div class="code"><pre>{}</pre></div>', code)
    name = language.strip().lower()
    try:
        lexer = get_lexer_by_name(ALIASES.get(name, name), stripnl=False, ensurenl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False, ensurenl=False)
    return mark_safe(highlight(code, lexer, HtmlFormatter(cssclass="code")))  # noqa: S308 - the formatter escapes
