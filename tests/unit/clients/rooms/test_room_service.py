"""The client of RoomService: what it sends, and what it makes of every answer."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.rooms.contract import Permission
from vox.clients.rooms.room_service import RoomService, http_address
from vox.errors import DependencyError, PeerError, UsageError, VoxError
from vox.security.outbound import FetchResult
from vox.security.room_tokens import RoomKey, read_room_token

KEY = RoomKey("key", "secret")
NOW = 1_700_000_000.0


class Server:
    """Answers with what the test says, and remembers what was asked."""

    def __init__(self, body: Any = None, status: int = 200) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        self.status = status
        self.asked: list[tuple[str, Any, Any]] = []
        self.service = RoomService(self._fetch, "wss://media.example/", KEY, lambda: NOW)

    async def _fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline_s: float,
        max_bytes: int,
    ) -> FetchResult:
        assert (method, deadline_s, max_bytes) == ("POST", 5.0, 8 << 20)
        token = (headers or {})["authorization"].removeprefix("Bearer ")
        grant = read_room_token(token, {KEY.key: KEY.secret}, now=NOW).video
        self.asked.append((url, json.loads(body), grant))
        return FetchResult(self.status, {}, self.body, "", 0.0, url)


async def test_participants_are_read_in_both_spellings():
    snake = {
        "sid": "PA_1", "identity": "user-1", "state": "ACTIVE", "joined_at": "17", "kind": "AGENT", "name": "Ann",
        "permission": {"can_subscribe": True, "can_publish": True, "can_publish_data": True, "can_publish_sources": ["MICROPHONE"]},
        "tracks": [{"sid": "TR_1", "type": "AUDIO", "source": "MICROPHONE", "muted": True}], "attributes": {"a": "b"},
    }  # fmt: skip
    camel = {
        "sid": "PA_1", "identity": "user-1", "state": 2, "joinedAt": 17, "kind": 4, "name": "Ann", "unknown": [],
        "permission": {"canSubscribe": True, "canPublish": True, "canPublishData": True, "canPublishSources": [2]},
        "tracks": [{"sid": "TR_1", "source": 2, "muted": True}], "attributes": {"a": "b"},
    }  # fmt: skip
    (one,) = await Server({"participants": [snake]}).service.list_participants("vox-1")
    (two,) = await Server({"participants": [camel]}).service.list_participants("vox-1")
    assert one == two
    assert (one.identity, one.kind, one.joined_at, one.is_joining) == ("user-1", "agent", 17, False)
    assert one.permission is not None
    assert one.permission.sources == {"microphone"}
    microphone = one.track("microphone")
    assert microphone is not None
    assert microphone.is_muted
    assert one.track("camera") is None


async def test_each_call_has_just_the_grant_that_it_needs():
    server = Server({"name": "vox-1"})
    service = server.service
    await service.create_room("vox-1", empty_timeout_s=30)
    await service.list_rooms(["vox-1"])
    await service.delete_room("vox-1")
    await service.remove_participant("vox-1", "user-1", revokes_before_s=1_700_000_000)
    await service.update_permission("vox-1", "user-1", Permission(can_publish=False, sources=frozenset({"camera"})))
    await service.mute_track("vox-1", "user-1", "TR_1", muted=True)
    for url, _, grant in server.asked:
        assert url.startswith("https://media.example/twirp/livekit.RoomService/")
        assert not grant.room_join
    rights = [(grant.room_create, grant.room_list, grant.room_admin, grant.room) for _, _, grant in server.asked]
    admin = (False, False, True, "vox-1")
    assert rights == [
        (True, False, False, ""),
        (False, True, False, ""),
        (True, False, True, "vox-1"),
        admin,
        admin,
        admin,
    ]
    assert server.asked[4][1]["permission"]["can_publish_sources"] == ["CAMERA"]
    assert server.asked[5][1] == {"room": "vox-1", "identity": "user-1", "track_sid": "TR_1", "muted": True}


async def test_what_is_not_there_is_no_failure():
    server = Server({"code": "not_found", "msg": "no"}, 404)
    assert await server.service.list_participants("vox-1") == []
    assert not await server.service.remove_participant("vox-1", "user-1", revokes_before_s=1_700_000_000)
    assert not await server.service.delete_room("vox-1")
    assert not await server.service.update_permission("vox-1", "user-1", Permission())
    assert not await server.service.mute_track("vox-1", "user-1", "TR", muted=False)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, {"code": "unauthenticated"}, UsageError, "rooms_refused"),
        (404, b"<html>", PeerError, "rooms_answer_malformed"),
        (404, {"code": "bad_route"}, UsageError, "rooms_refused"),
        (302, b"", UsageError, "rooms_refused"),
        (429, b"", DependencyError, "rooms_unreachable"),
        (503, b"", DependencyError, "rooms_unreachable"),
        (200, b"[]", PeerError, "rooms_answer_malformed"),
        (200, b"{", PeerError, "rooms_answer_malformed"),
        (200, b"[" * 100_000, PeerError, "rooms_answer_malformed"),
        (200, {"participants": {}}, PeerError, "rooms_answer_malformed"),
        (200, {"participants": [1]}, PeerError, "rooms_answer_malformed"),
        (200, {"participants": [{}]}, PeerError, "rooms_answer_malformed"),
        (200, {"participants": [{"identity": 7}]}, PeerError, "rooms_answer_malformed"),
    ],
)
async def test_every_other_answer_is_an_error_with_a_name(status: int, body: Any, kind: type[VoxError], code: str):
    with pytest.raises(kind) as caught:
        await Server(body, status).service.list_participants("vox-1")
    assert caught.value.code == code


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one, max_size=3),
)
fields = [
    "identity",
    "sid",
    "state",
    "kind",
    "joined_at",
    "permission",
    "tracks",
    "attributes",
    "can_publish_sources",
    "source",
    "muted",
]
people = st.dictionaries(st.sampled_from(fields), values | st.dictionaries(st.sampled_from(fields), values), max_size=6)


@given(st.lists(people, max_size=3) | values)
async def test_hostile_answers_raise_nothing_unnamed(participants: Any):
    try:
        await Server({"participants": participants}).service.list_participants("vox-1")
    except PeerError as error:
        assert error.code == "rooms_answer_malformed"  # noqa: PT017  any of both, for any value


def test_addresses():
    assert http_address("ws://h:1/") == "http://h:1"
    assert http_address("wss://h") == "https://h"
    assert http_address("http://h/x") == "http://h/x"


async def test_who_is_removed_is_not_let_in_again_by_the_token_of_before():
    server = Server()
    assert await server.service.remove_participant("vox-1", "user-1", revokes_before_s=1_700_000_000)
    [(url, body, _)] = server.asked
    assert url.endswith("/RemoveParticipant")
    assert body == {"room": "vox-1", "identity": "user-1", "revoke_token_ts": 1_700_000_000}
