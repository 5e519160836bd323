"""The name of a device, from its user agent."""

from functools import cache

from ua_parser import Parser, load_lazy_builtins

# The names that may be shown. The caller chooses the header, and the parser passes much of it on; nothing else of it
# may get into a mail that we sign.
BROWSERS = {
    "Chrome",
    "Chrome Mobile",
    "Chrome Mobile iOS",
    "Chromium",
    "Edge",
    "Edge Mobile",
    "Firefox",
    "Firefox Mobile",
    "Firefox iOS",
    "HeadlessChrome",
    "IE",
    "Mobile Safari",
    "Opera",
    "Opera Mobile",
    "Safari",
    "Samsung Internet",
    "Vivaldi",
    "curl",
}
SYSTEMS = {"Android", "Chrome OS", "Debian", "Fedora", "FreeBSD", "Linux", "Mac OS X", "Ubuntu", "Windows", "iOS"}
FIRST_WORD_LENGTH = 40  # shown of an agent that is no known browser


@cache
def parser() -> Parser:
    """Without the models of devices, whose patterns nothing here asks for: they take 15 MB in each process."""
    browsers, systems, _ = load_lazy_builtins()
    return Parser.from_matchers((browsers, systems, []))


def device_name(user_agent: str) -> str:
    """`Firefox on Linux` for the header that Firefox sends; `an unknown device` for one that tells nothing."""
    return " on ".join(filter(None, known_parts(user_agent))) or "an unknown device"


def agent_name(user_agent: str) -> str:
    """The same for admins, who also see the first word of an agent that is no known browser: `python-requests/2.32`."""
    browser, system = known_parts(user_agent)
    first_word = next(iter(user_agent.split()), "")[:FIRST_WORD_LENGTH]
    return " on ".join(filter(None, [browser or first_word, system])) or "an unknown device"


def known_parts(user_agent: str) -> tuple[str, str]:
    """The names of the browser and the system, each empty where it is not one that may be shown."""
    result = parser().parse(user_agent)
    browser = result.user_agent.family if result.user_agent else ""
    system = result.os.family if result.os else ""
    return browser if browser in BROWSERS else "", system if system in SYSTEMS else ""
