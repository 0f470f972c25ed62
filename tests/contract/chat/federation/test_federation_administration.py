"""Lists, policies, keys and what the audit log keeps of them."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.contract.chat.harness import Person, Rig, chat_settings, community
from tests.contract.chat.helpers_federation import Internet, Peer, federation_of, server, until_empty
from tests.contract.chat.helpers_people import anonymous, audited, outcome
from vox.chat.config.settings import load_chat_settings
from vox.errors import UsageError

BOB = "bob@home.example"


@dataclass(slots=True)
class Scene:
    """A server with its administrator and a member, and a peer."""

    internet: Internet
    rig: Rig
    admin: Person
    bob: Person
    other: Peer


@pytest.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncGenerator[Scene, None]:
    internet = Internet()
    async with server(internet, "home.example", database_url, tmp_path, policy="allow_list") as rig:
        admin, bob = await rig.register("admin"), await rig.register("bob")
        yield Scene(internet, rig, admin, bob, Peer(internet, "other.example"))


async def test_the_allow_list_decides_where_the_policy_says_so(scene: Scene):
    assert outcome(await scene.other.message(scene.rig, BOB)) == (403, "FED_POLICY_DENIED")
    await scene.admin.ok("POST", "/federation/admin/allow", {"domain": "OTHER.example", "reason": "friends"})
    assert (await scene.other.message(scene.rig, BOB)).status_code == 204
    [entry] = (await scene.admin.ok("GET", "/federation/admin/allow"))["items"]
    assert (entry["domain"], entry["reason"]) == ("other.example", "friends")
    assert datetime.fromisoformat(entry["created_at"]).tzinfo is not None
    await scene.admin.ok("POST", "/federation/admin/block", {"domain": "other.example"})
    assert outcome(await scene.other.message(scene.rig, BOB)) == (403, "FED_BLOCKED")
    [entry] = (await scene.admin.ok("GET", "/federation/admin/block"))["items"]
    assert entry["domain"] == "other.example"
    await scene.admin.ok("DELETE", "/federation/admin/block/other.example")
    await scene.admin.ok("DELETE", "/federation/admin/allow/other.example")
    assert outcome(await scene.other.message(scene.rig, BOB)) == (403, "FED_POLICY_DENIED")
    for kind in ("allow_added", "allow_removed", "block_sent", "unblock"):
        [line] = await audited(scene.admin, f"federation_{kind}")
        assert line["metadata"]["domain"] == "other.example"


async def test_lists_and_keys_are_for_administrators(scene: Scene):
    for method, path, body in (
        ("GET", "/federation/admin/block", None),
        ("POST", "/federation/admin/block", {"domain": "other.example"}),
        ("DELETE", "/federation/admin/block/other.example", None),
        ("GET", "/federation/admin/allow", None),
        ("POST", "/federation/admin/allow", {"domain": "other.example"}),
        ("DELETE", "/federation/admin/allow/other.example", None),
        ("GET", "/federation/admin/peers", None),
        ("DELETE", "/federation/admin/peers/other.example/keys", None),
        ("GET", "/federation/admin/keys", None),
        ("POST", "/federation/admin/keys", None),
        ("POST", "/federation/admin/keys/x/activate", None),
        ("DELETE", "/federation/admin/keys/x", None),
    ):
        more = {} if body is None else {"json": body}
        assert outcome(await scene.bob.call(method, path, **more)) == (403, "MISSING_PERMISSIONS")


async def test_domains_and_pages_are_checked(scene: Scene):
    for wrong in ("", "localhost", "127.0.0.1", "a b.example", "x" * 300):
        reply = await scene.admin.post("/federation/admin/block", {"domain": wrong})
        assert outcome(reply) == (422, "VALIDATION_ERROR")
    assert outcome(await scene.admin.get("/federation/admin/block", limit=1001)) == (422, "VALIDATION_ERROR")
    assert outcome(await scene.admin.delete("/federation/admin/peers/unknown.example/keys")) == (404, "NOT_FOUND")


async def test_a_blocked_server_is_told_and_the_telling_is_audited_there(database_url: str, tmp_path: Path):
    internet = Internet()
    async with (
        server(internet, "home.example", database_url, tmp_path / "home") as home,
        server(internet, "away.example", f"sqlite:///{tmp_path / 'away.db'}", tmp_path / "away") as away,
    ):
        admin, theirs = await home.register("admin"), await away.register("admin")
        await admin.ok("POST", "/federation/admin/block", {"domain": "away.example", "reason": "spam"})
        await until_empty(home)
        [line] = await audited(theirs, "federation_block_request_received")
        assert (line["actor_id"], line["metadata"]) == (None, {"domain": "home.example", "reason": "spam"})


async def test_a_key_is_replaced_with_an_overlap(scene: Scene):
    [first] = (await scene.admin.ok("GET", "/federation/admin/keys"))["items"]
    assert (first["state"], first["name"]) == ("active", "_voxkey.home.example")
    assert first["record"] == f"v=vox1; k=ed25519; p={first['public_key']}"
    following = await scene.admin.ok("POST", "/federation/admin/keys")
    assert following["state"] == "next"
    assert (await scene.admin.ok("POST", "/federation/admin/keys"))["key_id"] == following["key_id"]
    early = await scene.admin.post(f"/federation/admin/keys/{following['key_id']}/activate")
    assert outcome(early) == (400, "INVALID_OPERATION")
    scene.internet.publish("home.example", first["public_key"], following["public_key"])
    await scene.admin.ok("POST", f"/federation/admin/keys/{following['key_id']}/activate")
    states = {one["key_id"]: one["state"] for one in (await scene.admin.ok("GET", "/federation/admin/keys"))["items"]}
    assert states == {first["key_id"]: "retired", following["key_id"]: "active"}
    identity = await federation_of(scene.rig).keyring.identity()
    assert identity.private_key not in (await scene.admin.get("/federation/admin/keys")).text
    assert outcome(await scene.admin.delete(f"/federation/admin/keys/{following['key_id']}")) == (404, "NOT_FOUND")
    await scene.admin.ok("DELETE", f"/federation/admin/keys/{first['key_id']}")
    unknown = await scene.admin.post("/federation/admin/keys/unknown/activate")
    assert outcome(unknown) == (404, "NOT_FOUND")


async def test_private_keys_lie_beside_a_sqlite_database_and_not_in_it(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'vox.db'}"
    async with server(Internet(), "home.example", url, tmp_path) as rig:
        identity = await federation_of(rig).keyring.identity()
        stored = await rig.chat.read(
            lambda c: c.exec_driver_sql("SELECT private_key FROM federation_keys").scalar_one()
        )
        assert stored is None
    [file] = tmp_path.glob("vox.db.federation-*.key")  # noqa: ASYNC240  one call
    assert file.read_text().strip() == identity.private_key
    assert file.stat().st_mode & 0o777 == 0o600
    async with server(Internet(), "home.example", url, tmp_path) as rig:
        assert await federation_of(rig).keyring.identity() == identity


async def test_without_a_domain_nothing_federates(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path) as rig:
        admin = await rig.register("admin")
        for method, path, body in (
            ("POST", "/federation/join-request", {"target_domain": "other.example"}),
            ("POST", "/federation/users", {"user_address": "a@other.example"}),
            ("GET", "/federation/admin/keys", None),
            ("POST", "/federation/relay/typing", {"from": "a@other.example", "to": "b@home.example"}),
        ):
            more = {} if body is None else {"json": body}
            assert outcome(await admin.call(method, path, **more)) == (404, "FED_NOT_CONFIGURED")
        reply = await anonymous(rig, "POST", "/auth/login/federation", {"federation_token": "fed_x"})
        assert outcome(reply) == (401, "AUTH_FAILED")
        await admin.ok("POST", "/federation/admin/block", {"domain": "other.example"})


@pytest.mark.parametrize(
    ("text", "policy"), [("allow_list", "allowlist"), ("allowlist", "allowlist"), ("open", "open")]
)
def test_both_spellings_of_the_policy_are_read(text: str, policy: str):
    environment = {"VOX_FEDERATION_DOMAIN": "home.example", "VOX_FEDERATION_POLICY": text}
    assert load_chat_settings(environment, {}).settings.federation_policy == policy


def test_an_unknown_policy_ends_the_start():
    with pytest.raises(UsageError, match="VOX_FEDERATION_POLICY"):
        load_chat_settings({"VOX_FEDERATION_POLICY": "everyone"}, {})


def test_the_policy_is_closed_unless_it_is_set(tmp_path: Path):
    assert chat_settings(f"sqlite:///{tmp_path / 'vox.db'}", tmp_path).federation_policy == "closed"


async def test_a_wrong_policy_or_domain_in_the_database_ends_the_start(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'vox.db'}"
    async with community(url, tmp_path) as rig:
        for key, value in (("federation_policy", "everyone"), ("federation_domain", "http://x")):
            await rig.chat.database.write(
                lambda c, key=key, value=value: c.exec_driver_sql(
                    "INSERT INTO config (key, value) VALUES (?, ?)", (key, value)
                )
            )
    with pytest.raises(UsageError, match="federation_policy"):
        async with community(url, tmp_path):
            pass
    with pytest.raises(UsageError, match="VOX_FEDERATION_DOMAIN"):
        async with community(url, tmp_path, federation_policy="open"):
            pass
