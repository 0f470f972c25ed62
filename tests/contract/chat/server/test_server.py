"""The community as a whole: name, limits, GIFs, and where events come from."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.contract.chat.harness import PASSWORD, Person, Rig, community
from tests.contract.chat.helpers_people import anonymous, audited, outcome
from vox.chat.config.limits import DEFAULTS
from vox.chat.database.schema import config

LACKS = (403, "MISSING_PERMISSIONS")


@pytest.fixture
async def people(chat: Rig) -> list[Person]:
    return [await chat.register(name) for name in ("ada", "bob")]


async def test_the_gateway_is_found_without_a_login(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path, gateway_url="wss://chat.example.com/gateway") as rig:
        assert (await anonymous(rig, "GET", "/gateway")).json() == {
            "url": "wss://chat.example.com/gateway",
            "media_url": "quic://127.0.0.1:4443",
            "protocol_version": 1,
            "min_version": 1,
            "max_version": 1,
        }


async def test_the_server_counts_its_active_members(chat: Rig, people: list[Person]):
    ada, bob = people
    shown = await bob.ok("GET", "/server")
    assert shown == {"name": "Vox Server", "icon": None, "description": None, "member_count": 2}
    await ada.ok("DELETE", f"/members/{bob.user_id}")
    assert (await ada.ok("GET", "/server"))["member_count"] == 1


async def test_a_new_name_is_told_audited_and_kept(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path) as rig:
        ada, bob = await rig.register("ada"), await rig.register("bob")
        async with bob.gateway() as socket:
            changed = await ada.ok("PATCH", "/server", {"name": "Ours", "description": "us"})
            assert changed == {"name": "Ours", "icon": None, "description": "us", "member_count": 2}
            assert (await socket.expect("server_update"))["d"] == {"name": "Ours", "description": "us"}
        entry = (await audited(ada, "server.update"))[0]
        assert entry["metadata"] == {"changed": {"name": "Ours", "description": "us"}}
        assert outcome(await bob.patch("/server", {"name": "x"})) == LACKS
        assert (await ada.ok("PATCH", "/server", {}))["name"] == "Ours"
    async with community(database_url, tmp_path) as again:
        ada.rig = again
        assert (await ada.ok("GET", "/server"))["name"] == "Ours"
    async with community(database_url, tmp_path, server_name="Fixed") as masked:
        ada.rig = masked
        assert (await ada.ok("PATCH", "/server", {"name": "Other"}))["name"] == "Fixed"


@pytest.mark.parametrize("change", [{"name": "a" * 65}, {"description": "a" * 257}, {"icon": "a" * 513}, {"name": 1}])
async def test_a_name_that_is_too_long_is_refused(people: list[Person], change: dict[str, Any]):
    assert outcome(await people[0].patch("/server", change)) == (422, "VALIDATION_ERROR")


async def test_limits_are_shown_and_changed_for_the_next_request(chat: Rig, people: list[Person]):
    ada, bob = people
    assert await ada.ok("GET", "/server/limits") == DEFAULTS
    changed = await ada.ok("PATCH", "/server/limits", {"limits": {"bio_max": 3, "password_min": 20}})
    assert changed == {**DEFAULTS, "bio_max": 3, "password_min": 20}
    assert outcome(await bob.patch("/users/2", {"bio": "four"})) == (422, "VALIDATION_ERROR")
    body = {"username": "eve", "password": "only nineteen chars"}
    assert outcome(await anonymous(chat, "POST", "/auth/register", body)) == (422, "VALIDATION_ERROR")
    assert outcome(await bob.get("/server/limits")) == LACKS
    assert outcome(await bob.patch("/server/limits", {"limits": {}})) == LACKS


async def test_limits_outlive_the_process_and_the_environment_masks_them(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path) as rig:
        ada = await rig.register("ada")
        await ada.ok("PATCH", "/server/limits", {"limits": {"bio_max": 3, "topic_max": 4}})
    async with community(database_url, tmp_path, limits={"bio_max": 9}) as again:
        ada.rig = again
        limits = await ada.ok("GET", "/server/limits")
        assert (limits["bio_max"], limits["topic_max"]) == (9, 4)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"nonsense": 1}, (400, "INVALID_LIMIT")),
        ({"bio_max": -1}, (422, "VALIDATION_ERROR")),
        ({"bio_max": 1 << 40}, (422, "VALIDATION_ERROR")),
        ({"bio_max": "x"}, (422, "VALIDATION_ERROR")),
        ({"bio_max": True}, (422, "VALIDATION_ERROR")),
        ({"username_min": 40}, (422, "VALIDATION_ERROR")),
        ({"max_request_body": 10}, (422, "VALIDATION_ERROR")),
        ([], (422, "VALIDATION_ERROR")),
    ],
)
async def test_a_wrong_limit_changes_nothing(people: list[Person], limits: Any, expected: tuple[int, str]):
    ada = people[0]
    assert outcome(await ada.patch("/server/limits", {"limits": limits})) == expected
    assert await ada.ok("GET", "/server/limits") == DEFAULTS


async def test_the_key_of_the_gif_provider_is_never_shown(chat: Rig, people: list[Person]):
    ada, bob = people
    assert await ada.ok("GET", "/server/gifs") == {
        "provider": "klipy", "api_key_set": False, "content_filter": "high", "locale": None,
    }  # fmt: skip
    changed = await ada.ok("PATCH", "/server/gifs", {"api_key": "hunter2", "content_filter": "low", "locale": "de"})
    assert changed == {"provider": "klipy", "api_key_set": True, "content_filter": "low", "locale": "de"}
    assert await chat.chat.config.gifs_api_key(chat.chat.read) == "hunter2"
    stored = await chat.chat.read(
        lambda c: c.execute(select(config.c.value).where(config.c.key == "gifs_api_key")).scalar()
    )
    assert stored == "hunter2"
    assert "hunter2" not in str(await ada.ok("GET", "/audit-log"))
    assert outcome(await bob.get("/server/gifs")) == LACKS
    assert (await ada.ok("PATCH", "/server/gifs", {"api_key": ""}))["api_key_set"] is False


@pytest.mark.parametrize(
    "change", [{"provider": "tenor"}, {"content_filter": "max"}, {"locale": "x" * 17}, {"api_key": "x" * 513}]
)
async def test_an_unknown_choice_about_gifs_is_refused(people: list[Person], change: dict[str, str]):
    assert outcome(await people[0].patch("/server/gifs", change)) == (422, "VALIDATION_ERROR")


async def test_probes_are_not_limited(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path, rate_limit_scale=1) as rig:
        for _ in range(30):
            assert (await rig.http.get("/health")).status_code == 200
            assert (await rig.http.get("/ready")).status_code == 200


async def test_the_eleventh_request_of_a_category_is_told_when_to_come_back(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path, rate_limit_scale=1) as rig:
        body = {"username": "ada", "password": PASSWORD}
        ada = (await anonymous(rig, "POST", "/auth/register", body)).json()
        headers = {"authorization": f"Bearer {ada['token']}"}
        replies = [await rig.http.get("/api/v1/server", headers=headers) for _ in range(11)]
        assert [reply.status_code for reply in replies] == [200] * 10 + [429]
        assert outcome(replies[-1]) == (429, "RATE_LIMITED")
        assert 0 < replies[-1].json()["error"]["retry_after_ms"] <= 5000
        assert replies[0].headers["x-ratelimit-limit"] == "10"
