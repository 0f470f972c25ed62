"""The web client as it is served: which files there are, how they are packed and kept, and what the browser may do with them."""

from pathlib import Path

import pytest

from vox.runtime.pages import ClientPages, policy


@pytest.fixture
def pages(tmp_path: Path) -> ClientPages:
    """A client of three files, one of them packed."""
    folder = tmp_path / "client"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets" / "index-1.js").write_text("1")
    (folder / "assets" / "index-1.js.br").write_bytes(b"packed")
    (tmp_path / "secret.json").write_text("{}")
    return ClientPages(["wss://relay.example:7880/rtc"], folder)


def test_the_page_is_asked_for_again_and_hashed_files_are_not(pages: ClientPages):
    page, script = pages.index(""), pages.file("assets/index-1.js", "")
    assert page is not None
    assert script is not None
    assert page.headers["cache-control"] == "no-cache"
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(("accepted", "coding"), [("gzip, br;q=0.9", "br"), ("gzip", None), ("", None)])
def test_a_file_comes_packed_as_the_browser_accepts_it(pages: ClientPages, accepted: str, coding: str | None):
    script = pages.file("assets/index-1.js", accepted)
    assert script is not None
    assert script.headers.get("content-encoding") == coding
    assert script.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "path",
    [
        "assets/none.js",
        "assets/../secret.json",
        "assets/../../secret.json",
        "../secret.json",
        "assets/index-1.js.br",
        "assets/",
        "assets",
        ".hidden.json",
        "",
    ],
)
def test_nothing_else_is_served(pages: ClientPages, path: str):
    assert pages.file(path, "br") is None


def test_without_a_build_there_is_no_page(tmp_path: Path):
    pages = ClientPages(folder=tmp_path / "nothing")
    assert not pages.is_built
    assert pages.index("br") is None


def test_scripts_come_from_here_alone_and_connect_to_named_origins_only():
    text = policy(["wss://relay.example:7880/rtc", "http://[::1]:8080", "quic://127.0.0.1:4443", "", "https://a b;*"])
    rules = dict(rule.split(" ", 1) for rule in text.split("; "))
    assert rules["script-src"] == "'self'"
    assert rules["connect-src"] == (
        "'self' https://relay.example:7880 wss://relay.example:7880 http://[::1]:8080 ws://[::1]:8080"
    )
    assert "unsafe" not in text
    assert "*" not in text


def test_where_a_directory_chooses_the_relay_every_secure_address_may_be_it():
    allowed = next(part for part in policy(["ws://chat.example"], to_any_secure=True).split("; ") if "connect" in part)
    assert allowed == "connect-src 'self' http://chat.example ws://chat.example https: wss:"
