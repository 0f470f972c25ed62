"""Users of other servers who join: vouchers, tickets, invites, bans and closed doors."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.chat.harness import API, Person, Rig
from tests.contract.chat.helpers_federation import Internet, Peer, server
from tests.contract.chat.helpers_people import LateClock, anonymous, audited, outcome
from vox.chat.federation import vouchers
from vox.security.http_signatures import new_key_pair, new_nonce

MALLORY = "mallory@evil.example"


@dataclass(slots=True)
class Scene:
    """A server with an administrator, and a peer."""

    internet: Internet
    rig: Rig
    clock: LateClock
    admin: Person
    evil: Peer

    def voucher(self, **other: Any) -> str:
        return vouchers.issue(
            other.get("private_key", self.evil.keys.private),
            other.get("user", MALLORY),
            other.get("target", "home.example"),
            now_s=other.get("now_s", self.clock.wall().timestamp()),
            nonce=other.get("nonce", new_nonce()),
        )

    async def join(self, voucher: str | None = None, **more: Any) -> httpx2.Response:
        said = {"user_address": MALLORY, "voucher": voucher or self.voucher(), **more}
        lies = {"clock_off_s": self.clock.wall().timestamp() - self.evil.clock_s()}
        return await self.evil.call(self.rig, "POST", "/join", said, lies)

    async def log_in(self, ticket: str) -> httpx2.Response:
        return await anonymous(self.rig, "POST", "/auth/login/federation", {"federation_token": ticket})


@pytest.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncGenerator[Scene, None]:
    async with opened(database_url, tmp_path) as found:
        yield found


@contextlib.asynccontextmanager
async def opened(database_url: str, folder: Path, **overrides: Any) -> AsyncGenerator[Scene, None]:
    internet, clock = Internet(), LateClock()
    async with server(internet, "home.example", database_url, folder, clock=clock, **overrides) as rig:
        admin = await rig.register("admin")
        yield Scene(internet, rig, clock, admin, Peer(internet, "evil.example"))


async def test_a_user_joins_another_server_and_logs_in_there(database_url: str, tmp_path: Path):
    internet = Internet()
    async with (
        server(internet, "home.example", database_url, tmp_path / "home") as home,
        server(internet, "away.example", f"sqlite:///{tmp_path / 'away.db'}", tmp_path / "away") as away,
    ):
        alice, admin = await home.register("alice"), await away.register("admin")
        async with admin.gateway() as hears:
            joined = await alice.ok("POST", "/federation/join-request", {"target_domain": "away.example"})
            event = await hears.expect("member_join", username="alice@home.example")
        assert joined["accepted"] is True
        assert joined["federation_token"].startswith("fed_")
        assert joined["server_info"] == {"name": "Vox Server", "domain": "away.example"}
        ticket = {"federation_token": joined["federation_token"]}
        for path in ("/members", "/auth/sessions"):
            reply = await away.http.get(API + path, headers={"authorization": f"Bearer {joined['federation_token']}"})
            assert outcome(reply) == (401, "AUTH_FAILED")
        login = (await anonymous(away, "POST", "/auth/login/federation", ticket)).json()
        assert (login["user_id"], login["display_name"], login["roles"]) == (event["d"]["user_id"], "alice", [])
        guest = Person(away, "alice", login["user_id"], login["token"])
        assert len((await guest.ok("GET", "/members"))["items"]) == 2
        assert (await guest.ok("GET", "/server"))["member_count"] == 1
        again = await anonymous(away, "POST", "/auth/login/federation", ticket)
        assert outcome(again) == (401, "AUTH_FAILED")


async def test_a_ticket_is_good_for_ten_minutes_and_for_nothing_else(scene: Scene):
    ticket = (await scene.join()).json()["federation_token"]
    scene.clock.advance(601)
    assert outcome(await scene.log_in(ticket)) == (401, "AUTH_FAILED")
    for wrong in ("", "fed_", "fed_" + "x" * 600, "vox_sess_x", scene.admin.token, "fed_\0"):
        assert outcome(await scene.log_in(wrong)) == (401, "AUTH_FAILED")


async def test_a_voucher_counts_for_its_user_server_time_and_key_and_once(scene: Scene):
    now_s = scene.clock.wall().timestamp()
    for voucher in (
        scene.voucher(user="other@evil.example"),
        scene.voucher(target="other.example"),
        scene.voucher(private_key=new_key_pair().private),
        scene.voucher(now_s=now_s - 900),
        scene.voucher(now_s=now_s + 900),
        "x.y",
        ".",
        "A" * 5000,
    ):
        assert outcome(await scene.join(voucher))[0] in {403, 422}
    once = scene.voucher()
    assert (await scene.join(once)).status_code == 200
    assert outcome(await scene.join(once)) == (403, "FED_AUTH_FAILED")
    assert len(await audited(scene.admin, "federation_join")) == 1


async def test_a_banned_user_is_not_let_in_and_a_ticket_does_not_outlive_a_ban(scene: Scene):
    ticket = (await scene.join()).json()["federation_token"]
    members = (await scene.admin.ok("GET", "/members"))["items"]
    mallory = next(one["user_id"] for one in members if one["username"] == MALLORY)
    await scene.admin.ok("PUT", f"/bans/{mallory}", {"reason": "spam"})
    assert outcome(await scene.log_in(ticket)) == (403, "BANNED")
    assert outcome(await scene.join()) == (403, "BANNED")


async def test_invites_are_counted_and_named_as_the_original_names_them(scene: Scene):
    invite = (await scene.admin.ok("POST", "/invites", {"max_uses": 1}))["code"]
    assert outcome(await scene.join(invite_code="nothing")) == (404, "INVITE_NOT_FOUND")
    assert (await scene.join(invite_code=invite)).status_code == 200
    assert outcome(await scene.join(invite_code=invite)) == (404, "INVITE_NOT_FOUND")
    old = (await scene.admin.ok("POST", "/invites", {"max_age": 60}))["code"]
    scene.clock.advance(61)
    assert outcome(await scene.join(invite_code=old)) == (410, "INVITE_EXPIRED")


async def test_a_community_that_is_closed_or_by_invite_stays_so(database_url: str, tmp_path: Path):
    async with opened(database_url, tmp_path) as scene:
        settings = scene.rig.chat.settings
        scene.rig.chat.settings = settings.model_copy(update={"registration": "invite"})
        assert outcome(await scene.join()) == (403, "FORBIDDEN")
        invite = (await scene.admin.ok("POST", "/invites", {}))["code"]
        scene.rig.chat.settings = settings.model_copy(update={"registration": "closed"})
        assert outcome(await scene.join(invite_code=invite)) == (403, "FORBIDDEN")


async def test_a_block_ends_the_logins_of_a_servers_users(scene: Scene):
    ticket = (await scene.join()).json()["federation_token"]
    login = (await scene.log_in(ticket)).json()
    mallory = Person(scene.rig, "mallory", login["user_id"], login["token"])
    unused = (await scene.join()).json()["federation_token"]
    async with mallory.gateway() as socket:
        await scene.admin.ok("POST", "/federation/admin/block", {"domain": "evil.example", "reason": "spam"})
        assert await socket.closed() == 4004
    assert outcome(await mallory.get("/members")) == (401, "AUTH_EXPIRED")
    assert outcome(await scene.log_in(unused)) == (401, "AUTH_FAILED")
    assert outcome(await scene.join()) == (403, "FED_BLOCKED")


async def test_joining_says_what_is_wrong_with_the_target(scene: Scene):
    for target, expected in (
        ("home.example", (422, "VALIDATION_ERROR")),
        ("not a domain", (422, "VALIDATION_ERROR")),
        ("nowhere.example", (502, "FED_UNAVAILABLE")),
    ):
        reply = await scene.admin.post("/federation/join-request", {"target_domain": target})
        assert outcome(reply) == expected
    await scene.admin.ok("POST", "/federation/admin/block", {"domain": "evil.example"})
    reply = await scene.admin.post("/federation/join-request", {"target_domain": "evil.example"})
    assert outcome(reply) == (403, "FED_BLOCKED")
