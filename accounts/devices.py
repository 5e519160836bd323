"""The name of a device, from its user agent."""

from ua_parser import parse

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


def device_name(user_agent: str) -> str:
    """`Firefox on Linux` for the header that Firefox sends; `an unknown device` for one that tells nothing."""
    result = parse(user_agent)
    browser = result.user_agent.family if result.user_agent else ""
    system = result.os.family if result.os else ""
    known = [browser] if browser in BROWSERS else []
    known += [system] if system in SYSTEMS else []
    return " on ".join(known) or "an unknown device"
