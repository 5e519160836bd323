"""`/docs` and `/redoc`: pages that talk to nobody else."""

import re

import pytest

from conftest import Api

OWN = {"'self'", "'none'", "'unsafe-inline'", "data:", "blob:"}
PAGES = ["/docs", "/docs?script=", "/redoc"]


@pytest.mark.parametrize("path", PAGES)
def test_it_names_no_other_host(api: Api, path: str) -> None:
    page = api.get(path).content.decode()
    assert "/openapi.json" in page or "<script" in page
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", page) == []


@pytest.mark.parametrize("path", PAGES)
def test_it_lets_the_browser_ask_no_other_host(api: Api, path: str) -> None:
    policy = api.get(path).headers["Content-Security-Policy"]
    directives = {name: sources for name, *sources in map(str.split, policy.split(";"))}
    assert directives["default-src"] == ["'self'"]
    assert directives.keys().isdisjoint({"script-src", "connect-src"})  # so that these are default-src's
    assert {source for sources in directives.values() for source in sources} <= OWN


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_it_has_every_file_that_a_page_loads(api: Api, path: str) -> None:
    files = re.findall(r'(?:src|href|spec-url)="([^"]+)"', api.get(path).content.decode())
    assert len(files) >= 3
    assert {file: api("HEAD", file).status_code for file in files} == dict.fromkeys(files, 200)
