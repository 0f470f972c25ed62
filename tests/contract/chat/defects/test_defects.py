"""The defects that were found in the original (O1 to O17), each as the attack or the loss that must not happen here.

docs/contributing/chat-coverage.md lists every one of them with its test. O18 concerns voice rooms: tests/contract/chat/voice.
"""

import contextlib
import hashlib
import json
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import text

from tests.contract.chat.harness import API, PASSWORD, Gateway, Person, Rig, community
from tests.contract.chat.helpers_people import give_role, set_everyone
from tests.contract.chat.helpers_spaces import bodies, deny, feed, refusal, say
from tests.contract.chat.helpers_wire import MAX_SAFE, unsafe_numbers
from tests.time_limits import time_limit
from vox.chat.config.settings import load_chat_settings
from vox.chat.database.snowflakes import Snowflakes
from vox.chat.database.unit_of_work import Change
from vox.chat.events.permissions import EVERYONE_DEFAULT, P
from vox.chat.gateway.limits import GatewayLimits
from vox.errors import UsageError
from vox.runtime.clock import SystemClock

FEW = GatewayLimits().individual_presence_max
"""Up to so many are told of each other one by one, as the original does."""


async def test_o1_feed_messages_reach_only_those_who_may_read_them(chat: Rig) -> None:
    alice, bob, carol = [await chat.register(name) for name in ("alice", "bob", "carol")]
    secret = await feed(alice, "secret")
    await deny(alice, secret, bob, P.VIEW_SPACE)
    await deny(alice, secret, carol, P.READ_HISTORY)
    async with alice.gateway() as told, bob.gateway() as blind, carol.gateway() as without_history:
        message = await say(alice, secret, "for few")
        await alice.ok("PATCH", f"/feeds/{secret}/messages/{message}", {"body": "edited"})
        await alice.ok("PUT", f"/feeds/{secret}/messages/{message}/reactions/👍")
        await alice.ok("PUT", f"/feeds/{secret}/pins/{message}")
        await alice.ok("DELETE", f"/feeds/{secret}/messages/{message}")
        await alice.ok("PATCH", f"/feeds/{secret}", {"topic": "secret topic"})
        await told.expect("feed_update")
        for socket in (blind, without_history):
            seen = [frame for frame in await socket.events() if frame["type"].startswith("message_")]
            assert seen == []
        assert "secret topic" not in json.dumps(await blind.events())


async def test_o2_typing_is_told_to_who_may_read_and_by_who_may_write(chat: Rig) -> None:
    alice, bob, carol = [await chat.register(name) for name in ("alice", "bob", "carol")]
    secret = await feed(alice, "secret")
    await deny(alice, secret, bob, P.VIEW_SPACE)
    dm = (await alice.ok("POST", "/dms", {"recipient_id": carol.user_id}))["dm_id"]
    async with alice.gateway() as a, bob.gateway() as b, carol.gateway() as c:
        await a.send("typing", {"feed_id": secret})
        await a.expect("typing_start", user_id=alice.user_id, feed_id=secret)  # the sender hears himself
        await c.expect("typing_start", user_id=alice.user_id, feed_id=secret)
        await a.send("typing", {"dm_id": dm})
        await c.expect("typing_start", user_id=alice.user_id, dm_id=dm)
        await b.send("typing", {"feed_id": secret})  # a stranger to both places
        await b.send("typing", {"dm_id": dm})
        await b.events()
        for socket in (a, b, c):
            strange = [
                f for f in await socket.events() if f["type"] == "typing_start" and f["d"]["user_id"] == bob.user_id
            ]
            assert strange == []
        assert "typing_start" not in {frame["type"] for frame in await b.events()}


async def test_o3_sync_tells_nothing_that_the_gateway_would_not(chat: Rig) -> None:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await set_everyone(alice, EVERYONE_DEFAULT & ~P.CREATE_INVITES)
    async with bob.gateway() as socket:
        hidden = {"target_type": "role", "target_id": 1, "allow": 0, "deny": int(P.VIEW_SPACE)}
        secret = await feed(alice, "secret-plans", permission_overrides=[hidden])
        code = (await alice.ok("POST", "/invites", {}))["code"]
        await alice.ok("PATCH", f"/feeds/{secret}", {"topic": "secret-topic"})
        await feed(alice, "public")
        live = [(f["type"], f["d"]) for f in await socket.events() if f["type"] != "presence_update"]
    categories = [
        "members", "roles", "feeds", "rooms", "categories", "threads", "emoji", "bans", "invites", "permissions",
        "users", "server", "webhooks", "bots",
    ]  # fmt: skip
    page = await bob.ok(
        "POST", "/sync", {"since_timestamp": chat.chat.ids.next() // (1 << 22) - 60_000, "categories": categories}
    )
    told = json.dumps(page)
    assert "public" in told
    assert not any(word in told for word in ("secret-plans", "secret-topic", code))
    missed = [(event["type"], event["payload"]) for event in page["events"]]
    assert [event for event in live if event not in missed] == []
    assert all(word not in json.dumps(live) for word in ("secret-plans", "secret-topic", code))


@pytest.mark.parametrize("gap", [1, 40])
async def test_o4_a_resumed_session_gets_exactly_what_happened_meanwhile(chat: Rig, gap: int) -> None:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    general, secret = await feed(alice), await feed(alice, "secret")
    async with bob.gateway() as socket:
        await say(alice, general, "seen")
        await socket.expect("message_create", body="seen")
        session, last = socket.ready["session_id"], socket.last_seq
    await deny(alice, secret, bob, P.VIEW_SPACE)
    for number in range(gap):
        await say(alice, general, f"gap {number}")
        await say(alice, secret, f"not for bob {number}")
    async with chat.socket() as socket:
        await socket.expect("hello")
        await socket.send("resume", {"token": bob.token, "session_id": session, "last_seq": last})
        frames = list[dict[str, Any]]()
        while not frames or frames[-1]["type"] != "resumed":
            frames.append(await socket.next())
        assert [f["seq"] for f in frames[:-1]] == list(range(last + 1, last + len(frames)))
        assert frames[-1] == {"type": "resumed", "d": {"seq": last + len(frames) - 1}}
        said = [f["d"]["body"] for f in frames if f["type"] == "message_create"]
        assert said == [f"gap {number}" for number in range(gap)]


async def test_o5_each_frame_is_one_zstd_frame_of_its_own(chat: Rig) -> None:
    """What the original's SDK unpacks: no window is shared between frames, also not over a resume."""
    alice = await chat.register("alice")
    general = await feed(alice)
    unpack = zstandard.ZstdDecompressor()
    async with chat.socket("compress=zstd&v=1&encoding=json") as socket:
        hello = json.loads(unpack.decompress((await socket.next())["bytes"]))
        assert hello == {"type": "hello", "d": {"heartbeat_interval": 45_000}}
        await socket.send("identify", {"token": alice.token})
        ready = json.loads(unpack.decompress((await socket.next())["bytes"]))
        assert (ready["type"], ready["seq"]) == ("ready", 1)
        for number in range(3):
            await say(alice, general, f"message {number}")
        bodies_seen = list[str]()
        while len(bodies_seen) < 3:
            packed = (await socket.next())["bytes"]
            frame = json.loads(unpack.decompress(packed))
            if frame["type"] == "message_create":
                assert zstandard.get_frame_parameters(packed).content_size == len(unpack.decompress(packed))
                bodies_seen.append(frame["d"]["body"])
        assert bodies_seen == ["message 0", "message 1", "message 2"]


async def test_o6_an_event_is_encoded_once_for_all_its_receivers(chat: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from vox.chat.bus import memory

    encoded = list[str]()
    encode = memory.encode_tail

    def counted(event: Any) -> bytes:
        encoded.append(event.type)
        return encode(event)

    alice, bob, carol = [await chat.register(name) for name in ("alice", "bob", "carol")]
    general = await feed(alice)
    async with alice.gateway() as a, bob.gateway() as b, carol.gateway() as c:
        monkeypatch.setattr(memory, "encode_tail", counted)
        await say(alice, general)
        frames = [await socket.expect("message_create") for socket in (a, b, c)]
    assert encoded.count("message_create") == 1
    assert len({json.dumps(frame["d"]) for frame in frames}) == 1


async def test_o7_connecting_many_does_not_cost_the_square_of_many(database_url: str, tmp_path: Path) -> None:
    """The original sends N * (N - 1) presence frames, and they push events out of what a resume can replay."""
    many = 100
    async with community(database_url, tmp_path, connections_per_address=many) as rig:
        people = [await rig.register(f"user{number}") for number in range(many)]
        async with time_limit(), stack_of(people) as sockets:
            frames = 0
            for socket in sockets:
                for frame in await socket.events():
                    frames += frame["type"].startswith("presence")
            assert frames <= 2 * many + FEW * (FEW - 1), frames


async def test_o8_the_limit_per_address_counts_the_client_and_can_be_set(database_url: str, tmp_path: Path) -> None:
    """Behind a proxy the client's address is what a trusted proxy says: tests/e2e/test_chat_deployment.py."""
    async with community(database_url, tmp_path, connections_per_address=2) as rig:
        alice, bob = await rig.register("alice"), await rig.register("bob")
        async with alice.gateway(), bob.gateway(), rig.socket() as third:
            assert await third.closed() == 4006


async def test_o9_ids_survive_javascript_where_it_asks_for_texts(chat: Rig) -> None:
    alice = await chat.register("alice")
    general = await feed(alice)
    texts = {"x-vox-ids": "string"}
    sent = (await alice.post(f"/feeds/{general}/messages", {"body": "hi", "reply_to": "7"}, headers=texts)).json()
    assert isinstance(sent["msg_id"], str)
    assert int(sent["msg_id"]) > MAX_SAFE
    page = (await alice.call("GET", f"/feeds/{general}/messages", headers=texts)).json()
    assert page["messages"][0]["msg_id"] == sent["msg_id"]
    assert page["messages"][0]["reply_to"] == "7"
    assert not list(unsafe_numbers(page))
    async with alice.gateway(capabilities=["string_ids"]) as socket:
        await say(alice, general, "again")
        frame = await socket.expect("message_create", body="again")
        assert isinstance(frame["d"]["msg_id"], str)
        assert not list(unsafe_numbers(frame))
    plain = (await alice.ok("GET", f"/feeds/{general}/messages"))["messages"]
    assert all(isinstance(message["msg_id"], int) for message in plain)


def test_o9_two_processes_never_give_the_same_id() -> None:
    clock = SystemClock()
    one, other = Snowflakes(clock, 0), Snowflakes(clock, 1)
    ids = [source.next() for _ in range(5000) for source in (one, other)]
    assert len(set(ids)) == len(ids)
    assert max(ids) < 2**63


async def test_o10_administrator_is_bit_62_and_masks_are_exact(chat: Rig) -> None:
    alice = await chat.register("alice")
    roles = (await alice.ok("GET", "/roles"))["items"]
    assert next(role for role in roles if role["name"] == "Admin")["permissions"] & 1 << 62
    reply = await alice.call("GET", "/roles", headers={"x-vox-ids": "string"})
    assert {role["permissions"] for role in reply.json()["items"]} == {str(role["permissions"]) for role in roles}
    assert refusal(await alice.post("/roles", {"name": "x", "permissions": 1 << 63, "position": 9})) == (
        422,
        "VALIDATION_ERROR",
    )


SHUT_OUT = (
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "198.18.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::]", "[fe80::1]",
    "[fc00::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]", "[ff02::1]", "[2001:db8::1]", "localhost", "localhost.", "metadata.google.internal",
)  # fmt: skip
"""RFC 6890 and what wraps an IPv4 address; names that resolve nowhere or to this machine."""


async def test_o12_no_preview_of_an_address_that_is_not_public(chat: Rig) -> None:
    alice = await chat.register("alice")
    for host in SHUT_OUT:
        for scheme in ("http", "https"):
            reply = await alice.post("/embeds/resolve", {"url": f"{scheme}://{host}/"})
            assert refusal(reply) == (400, "INVALID_URL"), host


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://example.com", "javascript:alert(1)", "//example.com", "",
                                 "http://", "http://user:secret@example.com/", "http://example.com:22/", "ftp://example.com"])  # fmt: skip
async def test_o12_no_preview_of_what_is_no_web_address(chat: Rig, url: str) -> None:
    alice = await chat.register("alice")
    assert refusal(await alice.post("/embeds/resolve", {"url": url})) == (400, "INVALID_URL")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VOX_FEDERATION_POLICY", "friends"),
        ("VOX_GIFS_CONTENT_FILTER", "strict"),
        ("VOX_GIFS_PROVIDER", "tenor"),
        ("VOX_STORAGE_BACKEND", "ftp"),
    ],
)
def test_o13_an_unknown_choice_is_refused_at_start(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        load_chat_settings({name: value}, {})


async def test_o13_an_unknown_choice_in_the_database_is_refused_at_start(database_url: str, tmp_path: Path) -> None:
    async with community(database_url, tmp_path) as rig:
        row = text("INSERT INTO config (key, value) VALUES ('federation_policy', 'friends')")
        await rig.chat.change(lambda connection: Change(connection.execute(row).rowcount))
    with pytest.raises(UsageError, match="federation_policy"):
        async with community(database_url, tmp_path):
            pass


async def test_o14_named_origins_may_call_and_others_may_not(database_url: str, tmp_path: Path) -> None:
    """A page in a real browser does so in tests/e2e/test_chat_browser.py."""
    async with community(database_url, tmp_path, allowed_origins=("https://web.example",)) as rig:
        alice = await rig.register("alice")
        asked = {"origin": "https://web.example", "access-control-request-method": "PUT"}
        preflight = await rig.http.options(f"{API}/server", headers=asked)
        assert preflight.headers["access-control-allow-origin"] == "https://web.example"
        stranger = await alice.call("GET", "/server", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers
        assert "access-control-allow-credentials" not in preflight.headers
        async with rig.socket(headers={"origin": "https://evil.example"}) as socket:
            assert await socket.closed() == 1008
        async with rig.socket(headers={"origin": "https://web.example"}) as socket:
            await socket.expect("hello")


async def test_o15_no_stranger_becomes_administrator_where_registration_is_not_open(
    database_url: str, tmp_path: Path
) -> None:
    async with community(database_url, tmp_path, registration="closed") as rig:
        reply = await rig.http.post(f"{API}/auth/register", json={"username": "eve", "password": PASSWORD})
        assert refusal(reply) == (403, "FORBIDDEN")
        reply = await rig.http.post(
            f"{API}/auth/register", json={"username": "eve", "password": PASSWORD, "setup_token": "vox_setup_guess"}
        )
        assert refusal(reply) == (401, "AUTH_FAILED")
        assert rig.chat.community.users == {}


async def test_o16_passwords_are_hashed_beside_the_event_loop(chat: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    threads = set[int]()
    hash_it, verify_it = PasswordHasher.hash, PasswordHasher.verify

    def hashed(self: PasswordHasher, *given: Any, **more: Any) -> str:
        threads.add(threading.get_ident())
        return hash_it(self, *given, **more)

    def verified(self: PasswordHasher, *given: Any, **more: Any) -> bool:
        threads.add(threading.get_ident())
        return verify_it(self, *given, **more)

    monkeypatch.setattr(PasswordHasher, "hash", hashed)
    monkeypatch.setattr(PasswordHasher, "verify", verified)
    await chat.register("alice")
    for name in ("alice", "nobody"):
        await chat.http.post(f"{API}/auth/login", json={"username": name, "password": "wrong password"})
    assert threads
    assert threading.get_ident() not in threads


async def test_o16_tokens_are_stored_as_digests_only(chat: Rig) -> None:
    alice = await chat.register("alice")
    rows = await chat.chat.read(
        lambda connection: connection.execute(text("SELECT token FROM sessions")).scalars().all()
    )
    assert rows == [hashlib.sha256(alice.token.encode()).hexdigest()]


@pytest.mark.parametrize("taken", [P.VIEW_SPACE, P.READ_HISTORY])
async def test_o17_search_finds_exactly_what_the_histories_show(chat: Rig, taken: P) -> None:
    """Administrators pass every override, and the user's own override comes last: the SQL filter of the original knew neither."""
    alice, bob = await chat.register("alice"), await chat.register("bob")
    role = await give_role(alice, bob, 0, 5, "team")
    no, yes = {"allow": 0, "deny": int(taken)}, {"allow": int(taken), "deny": 0}
    feeds = list[int]()
    for everyone, team, own in (
        (None, None, None),
        (no, None, None),
        (no, yes, None),
        (yes, no, None),
        (no, no, yes),
        (yes, yes, no),
    ):
        feeds.append(await feed(alice, f"feed {len(feeds)}"))
        for target, mask in ((("role", 1), everyone), (("role", role), team), (("user", bob.user_id), own)):
            if mask is not None:
                await alice.ok("PUT", f"/feeds/{feeds[-1]}/permissions/{target[0]}/{target[1]}", mask)
        await say(alice, feeds[-1], f"needle in {len(feeds)}")
    for person in (alice, bob):
        readable = list[str]()
        for feed_id in feeds:
            if (await person.get(f"/feeds/{feed_id}/messages")).is_success:
                readable += await bodies(person, f"/feeds/{feed_id}/messages")
        found = (await person.ok("GET", "/messages/search", query="needle"))["results"]
        assert sorted(message["body"] for message in found) == sorted(readable)
    assert len(readable) == 3
    assert len((await alice.ok("GET", "/messages/search", query="needle"))["results"]) == len(feeds)


@contextlib.asynccontextmanager
async def stack_of(people: list[Person]) -> AsyncGenerator[list[Gateway], None]:
    """A session of each, all at once."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(person.gateway()) for person in people]
