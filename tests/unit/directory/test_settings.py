"""Configurations that cannot work are refused at the start, with the key's name; large ones are quick."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.directory.harness import SYDNEY, rig
from vox.directory.settings import DirectorySettings, load
from vox.errors import UsageError


def bootstrap(**change: Any) -> dict[str, Any]:
    return {"id": "home", "url": "wss://home.example.com", "lat": 1, "lon": 2, **change}


@pytest.mark.parametrize(
    ("relays", "words"),
    [
        ([bootstrap(url="home.example.com")], "wss://host"),
        ([bootstrap(url="ftp://home.example.com")], "wss://host"),
        ([bootstrap(lat=91)], "lat"),
        ([bootstrap(capacity=2**40)], "capacity"),
        ([bootstrap(signing_key="bm9rZXk=")], "Ed25519"),
        ([bootstrap(id="no/id")], "letters"),
        ([bootstrap(), bootstrap(url="wss://other.example.com")], "same id twice: home"),
        ([bootstrap(), bootstrap(id="other", url="https://HOME.example.com:443/")], "same url twice"),
    ],
)
def test_bootstrap_relays_that_cannot_work_are_refused(tmp_path: Path, relays: list[dict[str, Any]], words: str):
    file = tmp_path / "directory.json"
    file.write_text(json.dumps({"bootstrap_relays": relays}))
    with pytest.raises(UsageError) as caught:
        load(file, {})
    assert words in str(caught.value)


def test_thousands_of_bootstrap_relays_are_compared_at_once():
    relays = [bootstrap(id=f"r{number}", url=f"wss://r{number}.example.com") for number in range(5000)]
    began = time.process_time()
    assert len(DirectorySettings.model_validate({"bootstrap_relays": relays}).bootstrap_relays) == 5000
    assert time.process_time() - began < 5  # comparing each with each took a minute


async def test_bootstrap_relays_come_go_and_make_others_move(tmp_path: Path):
    relays = [bootstrap(id=f"r{number}", url=f"wss://r{number}.example.com") for number in range(450)]
    async with rig(tmp_path, {"bootstrap_relays": relays[:10]}) as it:
        stranger = await it.register({**SYDNEY, "url": "wss://R400.example.com:443/"})
        since = it.directory.registry.get("r1")
        assert since is not None
    relays[0], relays[1] = {**relays[0], "url": relays[1]["url"]}, {**relays[1], "url": relays[0]["url"]}
    for _ in range(2):  # the second start changes nothing
        async with rig(tmp_path, {"bootstrap_relays": relays}) as it:
            assert {one.id for one in it.directory.registry} == {f"r{number}" for number in range(450)}
            assert (await it.http.get(f"/v1/relays/{stranger['id']}/status")).status_code == 404
            swapped = it.directory.registry.at_url("wss://r0.example.com")
            assert swapped is not None
            assert (swapped.id, swapped.registered_at) == ("r1", since.registered_at)
    async with rig(tmp_path, {"bootstrap_relays": relays[:10]}) as it:
        assert sum(one.is_bootstrap for one in it.directory.registry) == 10
        assert len(it.directory.registry) == 450


@pytest.mark.parametrize("mode", ["signed", "token", "approval"])
def test_modes_with_signatures_ask_for_the_public_url(tmp_path: Path, mode: str):
    file = tmp_path / "directory.json"
    file.write_text(json.dumps({"access": {"mode": mode}}))
    [warning] = load(file, {}).warnings
    assert "server.public_url is not set" in warning
    assert load(file, {"VOX_DIRECTORY_PUBLIC_URL": "https://relays.example.com"}).warnings == []


def test_modes_without_signatures_need_no_public_url(tmp_path: Path):
    file = tmp_path / "directory.json"
    for mode in ("open", "keys"):
        file.write_text(json.dumps({"access": {"mode": mode}}))
        assert load(file, {}).warnings == []


@pytest.mark.parametrize(
    ("written", "authority"),
    [
        ("", ""),
        ("relays.example.com", "relays.example.com"),
        ("relays.example.com:8090", "relays.example.com:8090"),
        ("https://relays.example.com/", "relays.example.com"),
        ("http://[::1]:8090/base", "[::1]:8090"),
    ],
)
def test_the_public_url_names_what_is_signed(written: str, authority: str):
    settings = DirectorySettings.model_validate({"server": {"public_url": written}})
    assert settings.server.authority == authority


@pytest.mark.parametrize("written", ["https://", "relays example", "user@relays.example.com", "a:b"])
def test_a_public_url_that_is_none_is_refused(written: str):
    with pytest.raises(ValueError, match="use https://HOST"):
        DirectorySettings.model_validate({"server": {"public_url": written}})
