"""Presence: snapshot, single frames among few, gathered ones among many, and who is never shown."""

import pytest

from tests.unit.chat.gateway.gateway_harness import Scene, settle
from vox.chat.community.presence import PresenceRecord, encode_record
from vox.chat.events import dm_create, friend_add
from vox.chat.events.ids import DmId, UserId
from vox.chat.gateway import GatewayLimits

FEW = GatewayLimits(individual_presence_max=2)
MINE = {"user_id": 2, "status": "dnd", "custom_status": "busy", "activity": {"name": "chess"}}


def presences(client):
    return [d for kind, d in client.events() if kind == "presence_update"]


def batches(client):
    return [d["presences"] for kind, d in client.events() if kind == "presence_batch"]


async def test_the_echo_to_oneself_is_true_and_comes_first_and_others_see_offline():
    scene = Scene()
    first, second, other = await scene.join(2), await scene.join(2), await scene.join(3)
    for one in (first, second, other):
        one.frames()
    await first.say("presence_update", {key: value for key, value in MINE.items() if key != "user_id"})
    assert presences(first) == presences(second) == presences(other) == [MINE]
    await first.say("presence_update", {"status": "invisible"})
    assert presences(first) == presences(second) == [{"user_id": 2, "status": "invisible"}]
    assert presences(other) == [{"user_id": 2, "status": "offline"}]
    assert {one["user_id"] for one in (await scene.join(4)).ready["presences"]} == {3}


@pytest.mark.parametrize(
    ("d", "code"),
    [
        ({"status": "offline"}, "INVALID_STATUS"),
        ({"status": "idle", "activity": {"a": "x" * 600}}, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_what_is_refused_is_told_to_nobody(d, code):
    scene = Scene()
    one, other = await scene.join(2), await scene.join(3)
    one.frames()
    await one.say("presence_update", d)
    assert one.events()[0][1]["code"] == code
    assert presences(other) == []


async def test_offline_comes_after_a_pause_in_which_one_may_come_back():
    scene = Scene()
    watcher, bob = await scene.join(3), await scene.join(2)
    watcher.frames()
    await bob.drop()
    await scene.sweep(4)
    await scene.resume(bob)
    await scene.sweep(30)
    assert presences(watcher) == []
    again = await scene.join(2)
    await again.drop()
    assert presences(watcher) == []


async def test_offline_is_told_when_the_last_session_has_ended():
    scene = Scene()
    watcher, bob = await scene.join(3), await scene.join(2)
    watcher.frames()
    await bob.drop()
    await scene.sweep(5)
    assert presences(watcher) == [{"user_id": 2, "status": "offline"}]


async def test_offline_is_told_at_once_where_the_client_has_closed():
    scene = Scene()
    watcher, bob, other = await scene.join(3), await scene.join(2), await scene.join(2)
    watcher.frames()
    await other.drop(1000)
    assert presences(watcher) == [], "another session of theirs goes on"
    await bob.drop(1000)
    await settle()
    assert presences(watcher) == [{"user_id": 2, "status": "offline"}]


async def test_without_a_pause_offline_comes_at_once():
    scene = Scene(offline_after_s=0)
    watcher, bob = await scene.join(3), await scene.join(2)
    watcher.frames()
    await bob.drop()
    await settle()
    assert presences(watcher) == [{"user_id": 2, "status": "offline"}]


async def test_many_online_cost_less_than_two_frames_each():
    people = 200
    scene = Scene(GatewayLimits(individual_presence_max=5), people=people)
    clients = []
    for user_id in range(1, people + 1):
        clients.append(await scene.join(user_id, *(("presence_batch",) if user_id % 2 else ())))
        if user_id % 20 == 0:
            await scene.sweep(0.5)
    for _ in range(20):
        await scene.sweep(5)
        for client in clients:
            await client.say("heartbeat")
    frames = [kind for client in clients for kind, _ in (*[(f["type"], 0) for f in client.opening], *client.events())]
    told = sum(kind in {"presence_update", "presence_batch"} for kind in frames)
    assert told <= 2 * people
    assert {one["user_id"] for one in (await scene.join(1, "presence_batch")).ready["presences"]} == set(
        range(1, people + 1)
    )


async def test_among_many_a_batch_tells_what_has_changed():
    scene = Scene(FEW)
    one = await scene.join(1, "presence_batch")
    for user_id in (2, 3, 4):
        await scene.join(user_id)
    legacy = await scene.join(5)
    one.frames()
    await scene.sweep(0.4)
    assert batches(one) == []
    await scene.sweep(0.2)
    assert batches(one) == [[{"user_id": n, "status": "online"} for n in (3, 4, 5)]]
    assert batches(legacy) == []
    assert legacy.ready["presences"] == []


async def test_among_many_acquaintances_are_told_at_once():
    scene = Scene(FEW)
    scene.friendships = [(5, 3)]
    scene.happen(dm_create(dm_id=DmId(1), participant_ids=[UserId(5), UserId(4)], is_group=False))
    legacy = await scene.join(5)
    for user_id in (1, 2, 6, 3, 4):
        await scene.join(user_id)
    assert [d["user_id"] for d in presences(legacy)] == [1, 3, 4]
    scene.happen(friend_add(user_id=UserId(5), target_id=UserId(6)))
    assert {one["user_id"] for one in (await scene.join(5)).ready["presences"]} == {3, 4, 6}


async def test_a_resumed_client_is_told_what_has_changed_meanwhile():
    scene = Scene()
    bob, eve = await scene.join(2), await scene.join(3)
    await scene.join(4)
    bob.frames()
    scene.clock.advance(1)
    await bob.drop()
    scene.clock.advance(1)
    await eve.say("presence_update", {"status": "idle"})
    again = await scene.resume(bob)
    assert [(frame["type"], frame.get("seq")) for frame in again.frames()] == [
        ("hello", None), ("resumed", None), ("presence_update", bob.last_seq + 1),
    ]  # fmt: skip


async def test_snapshots_with_ids_as_texts():
    scene = Scene()
    await scene.join(1)
    assert {one["user_id"] for one in (await scene.join(2, "string_ids")).ready["presences"]} == {"1"}


async def test_what_other_processes_say_counts_too():
    scene = Scene()
    watcher = await scene.join(3)
    record = encode_record(PresenceRecord("idle", at_ms=1))
    scene.hub.heard_presence(UserId(2), "elsewhere", record)
    await settle()
    assert presences(watcher) == [{"user_id": 2, "status": "idle"}]
    bob = await scene.join(2)
    await bob.drop()
    await scene.sweep(6)
    assert presences(watcher) == []  # he is still connected elsewhere
    scene.hub.heard_presence(UserId(2), "elsewhere", None)
    await settle()
    assert presences(watcher) == [{"user_id": 2, "status": "offline"}]


async def test_numbers_that_no_other_process_could_read_are_refused_in_the_session():
    scene = Scene()
    bob, eve = await scene.join(2), await scene.join(3)
    bob.frames()
    for said in ({"custom_status": 10**30}, {"activity": {"a": -(2**64)}}):
        await bob.say("presence_update", {"status": "idle", **said})
        assert [(kind, d["code"]) for kind, d in bob.events()] == [("error", "VALIDATION_ERROR")]
    assert eve.events() == []
    await bob.say("presence_update", {"status": "idle", "activity": {"a": 2**63}})
    assert [kind for kind, _ in eve.events()] == ["presence_update"]
