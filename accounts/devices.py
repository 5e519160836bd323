"""A user agent in words that a person reads."""

from ua_parser import parse


def in_words(user_agent: str) -> str:
    """`Firefox on Linux` for the header that Firefox sends; `an unknown device` for one that tells nothing."""
    result = parse(user_agent)
    browser = result.user_agent.family if result.user_agent else ""
    system = result.os.family if result.os else ""
    return " on ".join(part for part in (browser, system) if part) or "an unknown device"
