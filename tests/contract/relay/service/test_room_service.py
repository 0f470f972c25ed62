"""RoomService and agent dispatch, asked by the official Python client."""

import asyncio
from typing import Any

import pytest
from livekit import api as livekit
from livekit.api.twirp_client import TwirpClient
from livekit.protocol import agent_dispatch, models, room, rtc

from tests.contract.relay.service.harness import KEY, SECRET, RunningRelay, official, plain, running_relay
from vox.security.room_tokens import RoomClaims, RoomKey, VideoGrant, sign_room_token

ROOM = "lobby"


async def performed(relay: RunningRelay, request: room.PerformRpcRequest) -> room.PerformRpcResponse:
    """PerformRpc, which the official client of this version does not offer."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        client = TwirpClient(session, relay.http, "livekit")
        header = {"authorization": f"Bearer {relay.token(room_admin=True, room=request.room)}"}
        return await client.request("RoomService", "PerformRpc", request, header, room.PerformRpcResponse)


async def test_a_room_is_made_found_changed_and_ended():
    async with running_relay() as relay, official(relay) as api:
        made = await api.room.create_room(
            room.CreateRoomRequest(name=ROOM, empty_timeout=60, max_participants=5, metadata="red")
        )
        assert made.sid.startswith("RM")
        assert (made.name, made.empty_timeout, made.max_participants, made.metadata) == (ROOM, 60, 5, "red")
        again = await api.room.create_room(room.CreateRoomRequest(name=ROOM))
        assert again.sid == made.sid
        await api.room.create_room(room.CreateRoomRequest(name="attic"))
        listed = await api.room.list_rooms(room.ListRoomsRequest())
        assert {one.name for one in listed.rooms} == {ROOM, "attic"}
        some = await api.room.list_rooms(room.ListRoomsRequest(names=["attic", "cellar"]))
        assert [one.name for one in some.rooms] == ["attic"]
        changed = await api.room.update_room_metadata(room.UpdateRoomMetadataRequest(room=ROOM, metadata="blue"))
        assert changed.metadata == "blue"
        await api.room.delete_room(room.DeleteRoomRequest(room=ROOM))
        left = await api.room.list_rooms(room.ListRoomsRequest())
        assert [one.name for one in left.rooms] == ["attic"]


async def test_participants_are_listed_changed_and_sent_out():
    async with running_relay() as relay, official(relay) as api, relay.member(ROOM, "ada") as ada:
        async with relay.member(ROOM, "bob"):
            found = await api.room.list_participants(room.ListParticipantsRequest(room=ROOM))
            assert {one.identity for one in found.participants} == {"ada", "bob"}
            who = room.RoomParticipantIdentity(room=ROOM, identity="bob")
            assert (await api.room.get_participant(who)).sid.startswith("PA")
            changed = await api.room.update_participant(
                room.UpdateParticipantRequest(
                    room=ROOM,
                    identity="bob",
                    name="Bob",
                    metadata="m",
                    attributes={"hand": "up"},
                    permission=models.ParticipantPermission(can_subscribe=True, can_publish=False),
                )
            )
            assert (changed.name, changed.metadata, changed.attributes["hand"]) == ("Bob", "m", "up")
            assert not changed.permission.can_publish
            await api.room.remove_participant(who)
            left = await api.room.list_participants(room.ListParticipantsRequest(room=ROOM))
            assert [one.identity for one in left.participants] == ["ada"]
        while True:
            [update] = (await ada.until("update")).update.participants
            if update.state == models.ParticipantInfo.DISCONNECTED:
                assert update.identity == "bob"
                assert update.disconnect_reason == models.DisconnectReason.PARTICIPANT_REMOVED
                break


async def test_who_is_moved_gets_a_token_for_the_other_room():
    async with running_relay() as relay, official(relay) as api, relay.member(ROOM, "ada") as ada:
        await api.room.move_participant(
            room.MoveParticipantRequest(room=ROOM, identity="ada", destination_room="attic")
        )
        token = (await ada.until("refresh_token")).refresh_token
        video = livekit.TokenVerifier(KEY, SECRET).verify(token).video
        assert video is not None
        assert video.room == "attic"
        leave = (await ada.until("leave")).leave
        assert leave.action == rtc.LeaveRequest.RECONNECT


async def test_what_a_participant_does_not_answer_ends_in_time():
    async with running_relay() as relay, relay.member(ROOM, "ada"):
        request = room.PerformRpcRequest(
            room=ROOM, destination_identity="ada", method="greet", payload="hi", response_timeout_ms=50
        )
        with pytest.raises(livekit.TwirpError) as caught:
            await performed(relay, request)
        assert (caught.value.code, caught.value.status) == ("deadline_exceeded", 408)


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        (lambda api: api.delete_room(room.DeleteRoomRequest(room="none")), "not_found", 404),
        (lambda api: api.list_participants(room.ListParticipantsRequest(room="none")), "not_found", 404),
        (lambda api: api.get_participant(room.RoomParticipantIdentity(room=ROOM, identity="x")), "not_found", 404),
        (
            lambda api: api.remove_participant(room.RoomParticipantIdentity(room=ROOM, identity="x")),
            "not_found",
            404,
        ),
        (
            lambda api: api.mute_published_track(
                room.MuteRoomTrackRequest(room=ROOM, identity="ada", track_sid="TR_none", muted=True)
            ),
            "not_found",
            404,
        ),
        (
            lambda api: api.mute_published_track(
                room.MuteRoomTrackRequest(room=ROOM, identity="ada", track_sid="TR_none", muted=False)
            ),
            "failed_precondition",
            412,
        ),
        (
            lambda api: api.update_subscriptions(
                room.UpdateSubscriptionsRequest(room=ROOM, identity="ada", track_sids=["TR_none"], subscribe=True)
            ),
            "not_found",
            404,
        ),
        (lambda api: api.send_data(room.SendDataRequest(room=ROOM, data=b"x" * 70_000)), "invalid_argument", 400),
        (lambda api: api.create_room(room.CreateRoomRequest(name="")), "invalid_argument", 400),
        (
            lambda api: api.create_room(room.CreateRoomRequest(name="x", metadata="m" * 70_000)),
            "invalid_argument",
            400,
        ),
        (
            lambda api: api.move_participant(
                room.MoveParticipantRequest(room=ROOM, identity="ada", destination_room=ROOM)
            ),
            "invalid_argument",
            400,
        ),
        (
            lambda api: api.forward_participant(
                room.ForwardParticipantRequest(room=ROOM, identity="ada", destination_room="attic")
            ),
            "unimplemented",
            501,
        ),
    ],
)
async def test_what_cannot_be_done_is_said_in_twirps_words(call: Any, code: str, status: int):
    async with running_relay() as relay, relay.member(ROOM, "ada"):
        async with official(relay) as api:
            api.room._client._failover = False
            with pytest.raises(livekit.TwirpError) as caught:
                await call(api.room)
        assert (caught.value.code, caught.value.status) == (code, status)
        assert "ada" in {one.identity for one in relay.relay.rooms.participants(ROOM)}


async def test_json_is_spoken_as_well_as_protobuf():
    async with running_relay() as relay, plain(relay) as http:
        headers = {"authorization": f"Bearer {relay.token(room_create=True)}"}
        body = {"name": ROOM, "emptyTimeout": 30, "max_participants": 4, "unheard_of": 1}
        made = await http.post("/twirp/livekit.RoomService/CreateRoom", json=body, headers=headers)
        assert made.status_code == 200
        assert made.headers["content-type"] == "application/json"
        found = made.json()
        assert (found["name"], found["empty_timeout"], found["max_participants"]) == (ROOM, 30, 4)
        assert found["num_participants"] == 0


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"headers": {"authorization": ""}}, 401, "unauthenticated"),
        ({"headers": {"authorization": "Bearer a.b.c"}}, 401, "unauthenticated"),
        ({"secret": "another-secret-of-32-characters!"}, 401, "unauthenticated"),
        ({"grants": {"room_list": True}}, 403, "permission_denied"),
        ({"grants": {"room_admin": True, "room": ROOM}}, 403, "permission_denied"),
        ({"content": b"{", "kind": "application/json"}, 400, "malformed"),
        ({"content": b'{"name":5}', "kind": "application/json"}, 400, "malformed"),
        ({"content": b"[1]", "kind": "application/json"}, 400, "malformed"),
        ({"content": b"\xff\xff\xff", "kind": "application/protobuf"}, 400, "malformed"),
        ({"content": b"{}", "kind": "text/plain"}, 404, "bad_route"),
        ({"content": b"x" * 2_000_000, "kind": "application/protobuf"}, 400, "malformed"),
        ({"content": b"[" * 100_000, "kind": "application/json"}, 400, "malformed"),
        ({"path": "Explode"}, 404, "bad_route"),
        ({"method": "GET"}, 404, "bad_route"),
    ],
)
async def test_bad_requests_are_refused_by_name(change: dict[str, Any], status: int, code: str):
    async with running_relay() as relay, plain(relay) as http:
        grants = change.get("grants", {"room_create": True})
        token = relay.token(**({"secret": change["secret"]} if "secret" in change else {}), **grants)
        headers = {"authorization": f"Bearer {token}", "content-type": change.get("kind", "application/json")}
        answer = await http.request(
            change.get("method", "POST"),
            f"/twirp/livekit.RoomService/{change.get('path', 'CreateRoom')}",
            content=change.get("content", b'{"name":"lobby"}'),
            headers=headers | change.get("headers", {}),
        )
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert relay.relay.rooms.rooms_count == 0


async def test_a_token_that_has_expired_is_told_so():
    async with running_relay() as relay, plain(relay) as http:
        claims = RoomClaims(video=VideoGrant(room_list=True))
        key = RoomKey(KEY, SECRET)
        token = sign_room_token(key, claims, now=relay.relay.clock.unix() - 3600, lifetime_s=60)
        headers = {"authorization": f"Bearer {token}"}
        answer = await http.post("/twirp/livekit.RoomService/ListRooms", json={}, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["meta"]["reason"] == "room_token_expired"


async def test_agents_are_sent_for_and_their_dispatches_end_with_the_room():
    async with running_relay() as relay, official(relay) as api:
        told: list[Any] = []
        relay.relay.dispatches.observe(told.append)
        made = await api.agent_dispatch.create_dispatch(
            agent_dispatch.CreateAgentDispatchRequest(agent_name="bistro", room=ROOM, metadata="table for two")
        )
        assert made.id.startswith("AD")
        assert [one.agent_name for one in await api.agent_dispatch.list_dispatch(ROOM)] == ["bistro"]
        found = await api.agent_dispatch.get_dispatch(made.id, ROOM)
        assert found is not None
        assert found.metadata == "table for two"
        gone = await api.agent_dispatch.delete_dispatch(made.id, ROOM)
        assert gone.state.deleted_at
        assert not await api.agent_dispatch.list_dispatch(ROOM)
        await api.agent_dispatch.create_dispatch(
            agent_dispatch.CreateAgentDispatchRequest(agent_name="bistro", room=ROOM)
        )
        await api.room.delete_room(room.DeleteRoomRequest(room=ROOM))
        kinds = [type(one).__name__ for one in told]
        assert kinds == ["DispatchCreated", "DispatchDeleted"] * 2
        with pytest.raises(livekit.TwirpError) as caught:
            await api.agent_dispatch.delete_dispatch("AD_none", ROOM)
        assert caught.value.code == "not_found"


async def test_a_room_that_is_made_with_agents_sends_for_them():
    async with running_relay() as relay, official(relay) as api:
        agents = [agent_dispatch.RoomAgentDispatch(agent_name="bistro", metadata="m")]
        await api.room.create_room(room.CreateRoomRequest(name=ROOM, agents=agents))
        assert [(one.agent_name, one.metadata) for one in relay.relay.dispatches.list(ROOM)] == [("bistro", "m")]


async def test_a_call_reaches_the_participant_and_its_answer_comes_back():
    async with running_relay() as relay, relay.member(ROOM, "ada"):
        request = room.PerformRpcRequest(room=ROOM, destination_identity="ada", method="greet", payload="hi")
        asked = asyncio.create_task(performed(relay, request))
        inside = relay.relay.rooms.find_room(ROOM)
        while not inside.replies:  # noqa: ASYNC110  the request comes by the loop
            await asyncio.sleep(0)
        [(call_id, answer)] = inside.replies.items()
        answer(models.RpcResponse(request_id=call_id, payload="hello"))
        assert (await asked).payload == "hello"
