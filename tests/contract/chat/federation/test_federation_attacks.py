"""Peers that lie, replay, flood and send what no server should: refused by name, and nothing of it stored."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_federation import FEDERATION, Internet, Peer, federation_of, messages_of, server
from tests.contract.chat.helpers_people import LateClock, outcome
from vox.security.http_signatures import new_key_pair

BOB = "bob@home.example"


@dataclass(slots=True)
class Scene:
    """A server, somebody on it, and a peer that may do anything."""

    internet: Internet
    rig: Rig
    clock: LateClock
    admin: Person
    bob: Person
    evil: Peer


@pytest.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncGenerator[Scene, None]:
    internet, clock = Internet(), LateClock()
    async with server(internet, "home.example", database_url, tmp_path, clock=clock) as rig:
        admin, bob = await rig.register("admin"), await rig.register("bob")
        yield Scene(internet, rig, clock, admin, bob, Peer(internet, "evil.example"))


async def test_a_rightly_signed_message_is_taken_once(scene: Scene):
    for _ in range(3):
        assert (await scene.evil.message(scene.rig, BOB, delivery_id="7")).status_code == 204
    assert [one["body"] for one in await messages_of(scene.bob)] == ["hello"]


async def test_a_request_that_is_wrongly_signed_is_refused(scene: Scene):
    lies: list[tuple[dict[str, Any], tuple[int, str]]] = [
        ({"private_key": new_key_pair().private}, (403, "FED_AUTH_FAILED")),
        ({"body": b"{}"}, (403, "FED_AUTH_FAILED")),
        ({"path": FEDERATION + "/relay/typing"}, (403, "FED_AUTH_FAILED")),
        ({"method": "PUT"}, (403, "FED_AUTH_FAILED")),
        ({"destination": "other.example"}, (403, "FED_AUTH_FAILED")),
        ({"origin": "home.example"}, (403, "FED_AUTH_FAILED")),
        ({"origin": "unknown.example"}, (403, "FED_AUTH_FAILED")),
        ({"origin": "127.0.0.1"}, (403, "FED_AUTH_FAILED")),
        ({"origin": "evil.example:8443"}, (403, "FED_AUTH_FAILED")),
        ({"clock_off_s": 301}, (403, "FED_TIMESTAMP_EXPIRED")),
        ({"clock_off_s": -301}, (403, "FED_TIMESTAMP_EXPIRED")),
    ]
    for lie, expected in lies:
        assert outcome(await scene.evil.message(scene.rig, BOB, lies=lie)) == expected, lie
    assert await messages_of(scene.bob) == []


async def test_headers_that_are_missing_are_named(scene: Scene):
    body = json.dumps({"from": "mallory@evil.example", "to": BOB}).encode()
    headers = scene.evil.signed(scene.rig, "POST", "/relay/typing", body)
    for missing, expected in (
        ("x-vox-origin", (422, "VALIDATION_ERROR")),
        ("x-vox-signature", (422, "VALIDATION_ERROR")),
        ("x-vox-timestamp", (400, "FED_MISSING_TIMESTAMP")),
    ):
        sent = {name: value for name, value in headers.items() if name != missing}
        reply = await scene.rig.http.post(FEDERATION + "/relay/typing", headers=sent, content=body)
        assert outcome(reply) == expected
    for stamp in ("soon", "1e9", "-1", "9" * 400, "nan"):
        sent = {**headers, "x-vox-timestamp": stamp}
        reply = await scene.rig.http.post(FEDERATION + "/relay/typing", headers=sent, content=body)
        assert outcome(reply) == (400, "FED_MISSING_TIMESTAMP")


async def test_a_replayed_request_is_refused_also_without_its_second_signature(scene: Scene):
    said = json.dumps({"from": "mallory@evil.example", "to": BOB, "opaque_blob": "x", "body": "x"}).encode()
    headers = scene.evil.signed(scene.rig, "POST", "/relay/message", said)
    path = FEDERATION + "/relay/message"
    assert (await scene.rig.http.post(path, headers=headers, content=said)).status_code == 204
    assert outcome(await scene.rig.http.post(path, headers=headers, content=said)) == (403, "FED_AUTH_FAILED")
    bare = {name: value for name, value in headers.items() if name.startswith("x-vox")}
    assert outcome(await scene.rig.http.post(path, headers=bare, content=said)) == (403, "FED_AUTH_FAILED")
    assert len(await messages_of(scene.bob)) == 1


async def test_a_replay_is_refused_after_the_clock_was_set_back(scene: Scene):
    said = json.dumps({"from": "mallory@evil.example", "to": BOB, "opaque_blob": "x"}).encode()
    headers = scene.evil.signed(scene.rig, "POST", "/relay/message", said)
    path = FEDERATION + "/relay/message"
    assert (await scene.rig.http.post(path, headers=headers, content=said)).status_code == 204
    scene.clock.advance(900)
    assert (await scene.evil.message(scene.rig, BOB, lies={"clock_off_s": 900})).status_code == 204
    scene.clock.advance(-900)
    assert outcome(await scene.rig.http.post(path, headers=headers, content=said)) == (403, "FED_AUTH_FAILED")


async def test_an_original_server_is_understood_where_its_signature_binds(scene: Scene):
    said = {"from": "mallory@evil.example", "to": BOB, "opaque_blob": "b3BhcXVl"}
    reply = await scene.evil.call(scene.rig, "POST", "/relay/message", said, {"legacy": True})
    assert reply.status_code == 204
    [message] = await messages_of(scene.bob)
    assert (message["opaque_blob"], message["body"]) == ("b3BhcXVl", None)
    for method, path in (("GET", f"/users/{BOB}"), ("GET", f"/users/{BOB}/prekeys"), ("POST", "/block")):
        reply = await scene.evil.call(scene.rig, method, path, None, {"legacy": True})
        assert outcome(reply) == (403, "FED_AUTH_FAILED")


async def test_a_server_that_signs_in_full_cannot_be_spoken_for_with_less(scene: Scene):
    assert (await scene.evil.message(scene.rig, BOB)).status_code == 204
    reply = await scene.evil.message(scene.rig, BOB, "other", lies={"legacy": True})
    assert outcome(reply) == (403, "FED_AUTH_FAILED")


async def test_a_server_speaks_for_its_own_users_only(scene: Scene):
    senders = (BOB, "mallory@other.example", "mallory", "@evil.example", "a@b@evil.example")
    requests = [
        (path, said)
        for sender in senders
        for path, said in (
            ("/relay/message", {"from": sender, "to": BOB, "opaque_blob": "x"}),
            ("/relay/typing", {"from": sender, "to": BOB}),
            ("/relay/read", {"from": sender, "to": BOB, "up_to_msg_id": 1}),
            ("/presence/notify", {"user_address": sender, "status": "online"}),
            ("/join", {"user_address": sender, "voucher": "x.y"}),
        )
    ]
    for path, said in requests:
        reply = await scene.evil.call(scene.rig, "POST", path, said)
        assert outcome(reply)[0] in {403, 422}
    assert await messages_of(scene.bob) == []


async def test_a_body_that_is_none_is_refused(scene: Scene):
    for said in (
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"from":1,"to":2,"opaque_blob":3}',
        b'{"from":{},"to":[],"opaque_blob":null}',
        b"[" * 60_000,
        b'{"x":' * 20_000,
        b'{"from":"m@evil.example","to":"bob@home.example","opaque_blob":"x","sequence":99999999999999999999999}',
        b'{"from":"m@evil.example","to":"bob@home.example","opaque_blob":"x","sequence":-1}',
        b'{"from":"m@evil.example","to":"bob@home.example","opaque_blob":"x","delivery_id":"' + b"9" * 65 + b'"}',
        b'{"from":"m@evil.example","to":"bob@home.example","opaque_blob":"x","files":[{}]}',
        b'{"from":"m@evil.example","to":"bob@home.example","opaque_blob":"x\\u0000"}',
    ):
        reply = await scene.evil.call(scene.rig, "POST", "/relay/message", said)
        assert outcome(reply) == (422, "VALIDATION_ERROR"), said[:80]
    assert await messages_of(scene.bob) == []


async def test_numbers_beyond_64_bits_and_odd_marks_are_harmless(scene: Scene):
    await scene.evil.message(scene.rig, BOB)
    base = {"from": "mallory@evil.example", "to": BOB}
    for more, status in (
        ({"up_to_msg_id": 1 << 63}, 422),
        ({"up_to_msg_id": (1 << 63) - 1}, 204),
        ({"up_to_msg_id": 1, "up_to_delivery_id": "9" * 64}, 204),
        ({"up_to_msg_id": 1, "up_to_delivery_id": "x"}, 204),
        ({"up_to_msg_id": 1, "up_to_delivery_id": str((1 << 63) - 1)}, 204),
    ):
        assert (await scene.evil.call(scene.rig, "POST", "/relay/read", {**base, **more})).status_code == status


async def test_bodies_that_are_too_large_are_refused(scene: Scene):
    assert outcome(await scene.evil.message(scene.rig, BOB, "A" * 16_385)) == (413, "PAYLOAD_TOO_LARGE")
    assert outcome(await scene.evil.call(scene.rig, "POST", "/relay/message", b" " * 200_000)) == (
        413,
        "PAYLOAD_TOO_LARGE",
    )


async def test_a_recipient_elsewhere_or_unknown_is_refused(scene: Scene):
    for to in ("nemo@home.example", "bob@other.example", "bob", "BOB@home.example", "b\u043eb@home.example"):
        assert outcome(await scene.evil.message(scene.rig, to)) == (404, "FED_USER_NOT_FOUND")


async def test_a_file_name_of_a_peer_is_shown_and_nothing_else(scene: Scene):
    files = [{"file_id": "../../etc/passwd", "name": "../../../x\u202eexe.txt", "size": 3, "mime": "text/plain"}]
    reply = await scene.evil.message(scene.rig, BOB, files=files)
    assert outcome(reply) == (503, "UNAVAILABLE")  # the file cannot be fetched at present: the message comes again
    asked = [path for host, _, path, _ in scene.internet.sent if host == "evil.example"]
    assert f"{FEDERATION}/files/..%2F..%2Fetc%2Fpasswd" in asked


async def test_presence_of_strangers_and_odd_statuses_is_not_shown(scene: Scene):
    await scene.evil.message(scene.rig, BOB)
    async with scene.bob.gateway() as bob, scene.admin.gateway() as admin:
        said = {"user_address": "mallory@evil.example", "status": "hacking", "activity": "{" * 400}
        assert (await scene.evil.call(scene.rig, "POST", "/presence/notify", said)).status_code == 204
        shown = await bob.expect("presence_update", status="offline")
        assert shown["d"]["activity"] == {"name": "{" * 400}
        assert all(event["d"].get("user_id") != shown["d"]["user_id"] for event in await admin.events())


async def test_presence_goes_to_servers_only_whose_users_write_with_a_user(scene: Scene):
    said = {"user_address": BOB}
    assert (await scene.evil.call(scene.rig, "POST", "/presence/subscribe", said)).status_code == 204
    reply = await scene.evil.call(scene.rig, "POST", "/presence/subscribe", {"user_address": "nemo@home.example"})
    assert outcome(reply) == (404, "FED_USER_NOT_FOUND")
    async with scene.bob.gateway() as bob:
        await bob.send("presence_update", {"status": "dnd"})
        await bob.events()
    assert all(not path.endswith("/presence/notify") for _, _, path, _ in scene.internet.sent)


async def test_one_time_keys_are_handed_out_once(scene: Scene):
    await scene.rig.chat.database.write(
        lambda c: [
            c.exec_driver_sql(statement)
            for statement in (
                f"INSERT INTO devices (id, user_id, device_name, created_at) VALUES ('d', {scene.bob.user_id}, 'd', 1)",  # noqa: S608  our own texts
                "INSERT INTO prekeys (device_id, identity_key, signed_prekey) VALUES ('d', 'ik', 'spk')",
                "INSERT INTO one_time_prekeys (device_id, key_data) VALUES ('d', 'otp1')",
            )
        ]
    )
    first = (await scene.evil.call(scene.rig, "GET", f"/users/{BOB}/prekeys")).json()
    device = {"device_id": "d", "identity_key": "ik", "signed_prekey": "spk", "one_time_prekey": "otp1"}
    assert first == {"user_address": BOB, "devices": [device], "prekey_warning": None}
    second = (await scene.evil.call(scene.rig, "GET", f"/users/{BOB}/prekeys")).json()
    assert second["devices"] == [{**device, "one_time_prekey": None}]
    assert second["prekey_warning"] == "PREKEY_EXHAUSTED"


async def test_a_rotation_with_overlap_is_believed_and_a_swap_of_all_keys_waits(scene: Scene):
    old, new, forged = scene.evil.keys, new_key_pair(), new_key_pair()
    assert (await scene.evil.message(scene.rig, BOB)).status_code == 204
    scene.internet.publish("evil.example", old.public, new.public)
    federation_of(scene.rig).discovery.forget("evil.example")
    assert (await scene.evil.message(scene.rig, BOB, lies={"private_key": new.private})).status_code == 204
    assert (await scene.evil.message(scene.rig, BOB, lies={"private_key": old.private})).status_code == 204
    scene.internet.publish("evil.example", forged.public)
    federation_of(scene.rig).discovery.forget("evil.example")
    reply = await scene.evil.message(scene.rig, BOB, lies={"private_key": forged.private})
    assert outcome(reply) == (403, "FED_AUTH_FAILED")
    [peer] = (await scene.admin.ok("GET", "/federation/admin/peers"))["items"]
    assert (peer["domain"], peer["keys_waiting"]) == ("evil.example", True)
    assert (await scene.admin.delete("/federation/admin/peers/evil.example/keys")).status_code == 204
    assert (await scene.evil.message(scene.rig, BOB, lies={"private_key": forged.private})).status_code == 204


async def test_a_closed_server_asks_the_dns_nothing(database_url: str, tmp_path: Path):
    internet = Internet()
    async with server(internet, "home.example", database_url, tmp_path, policy="closed") as rig:
        await rig.register("bob")
        evil = Peer(internet, "evil.example")
        assert outcome(await evil.message(rig, BOB)) == (403, "FED_POLICY_DENIED")
        assert internet.questions == 0


async def test_a_flood_of_one_server_is_slowed_down_and_brings_few_users(database_url: str, tmp_path: Path):
    internet = Internet()
    async with server(internet, "home.example", database_url, tmp_path, rate_limit_scale=0.02) as rig:
        await rig.register("bob")
        evil, good = Peer(internet, "evil.example"), Peer(internet, "good.example")
        outcomes = [outcome(await evil.message(rig, BOB, sender=f"m{number}")) for number in range(8)]
        assert outcomes[0] == (204, "")
        assert outcomes[-1] == (429, "RATE_LIMITED")
        users = await rig.chat.read(
            lambda c: c.exec_driver_sql("SELECT count(*) FROM users WHERE home_domain IS NOT NULL").scalar_one()
        )
        assert users <= 2
        assert (await good.message(rig, BOB)).status_code in {204, 429}
