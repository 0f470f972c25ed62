"""`/rooms`: who may send an agent into a room, what comes of it, and how it is sent away again."""

import asyncio
import json
from typing import Any

import pytest

from tests.fakes.room_voice import PlayedVoice
from tests.unit.agent.api.asgi import Answered, Site
from vox.errors import DependencyError, UsageError
from vox.media.rooms.contract import RoomVoice, RoomVoices
from vox.protocols.relay_voices import Removed
from vox.security.room_tokens import RoomClaims, RoomKey, VideoGrant, sign_room_token

pytestmark = pytest.mark.usefixtures("virtual_loop")
SECRET = "s" * 32
KEY = {"x-api-key": "k"}


class PlayedRelay:
    """Implements `RoomVoices`: each who joins gets a voice."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.voices: list[PlayedVoice] = []
        self.error: Exception | None = None
        self.delay_s = 0.0

    async def join(self, token: str) -> RoomVoice:
        self.tokens.append(token)
        await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        self.voices.append(PlayedVoice())
        return self.voices[-1]


def site(relay: PlayedRelay, **config: Any) -> Site:
    def find(url: str) -> RoomVoices | None:
        return relay if url in {"", "ws://own"} else None

    settings = {"media_key": "key", "media_secret": SECRET, "server_api_key": "k", "agents": {"ada": {}, "bob": {}}}
    return Site(None, local_relay=find, **{**settings, **config})


def token(made: Site, *, kind: str = "agent", secret: str = SECRET, lifetime_s: float = 600, **grant: Any) -> str:
    given: dict[str, Any] = {"room": "lobby", "room_join": True, **grant}
    claims = RoomClaims(sub="agent-1", kind=kind, video=VideoGrant(**given))
    now = made.clock.wall().timestamp()
    return sign_room_token(RoomKey("key", secret), claims, now=now, lifetime_s=lifetime_s)


async def join(made: Site, **body: Any) -> Answered:
    given = {"media_url": "ws://own", "token": token(made), **body}
    return await made.request("POST", "/rooms/join", body=json.dumps(given).encode())


async def test_an_agent_is_sent_into_a_room_listed_and_sent_away():
    relay = PlayedRelay()
    made = site(relay)
    answer = await join(made, agent="bob")
    assert answer.status == 202
    call_id = answer.json["call_id"]
    assert answer.json == {
        "call_id": call_id, "agent": "bob", "room": "lobby", "identity": "agent-1", "people": 0, "since_s": 0.0,
    }  # fmt: skip
    listed = await made.request("GET", "/rooms", headers=KEY)
    assert listed.json == {"rooms": [answer.json]}
    assert made.server.admission.calls == 1
    assert (await made.request("DELETE", f"/rooms/{call_id}", headers=KEY)).status == 204
    await asyncio.sleep(1)
    assert relay.voices[0].has_left
    assert made.server.admission.calls == 0
    assert (await made.request("GET", "/rooms", headers=KEY)).json == {"rooms": []}
    assert (await made.request("DELETE", f"/rooms/{call_id}", headers=KEY)).status == 404
    assert b'vox_agent_room_joins_total{kind="agent",outcome="joined"} 1' in made.server.metrics.render()
    assert b'vox_agent_room_members{kind="agent"} 0' in made.server.metrics.render()


async def test_an_agent_that_the_relay_removes_is_gone_from_the_list():
    relay = PlayedRelay()
    made = site(relay)
    await join(made)
    relay.voices[0].tell(Removed("removed"))
    await asyncio.sleep(1)
    assert (await made.request("GET", "/rooms", headers=KEY)).json == {"rooms": []}
    assert not made.server.sessions


async def test_when_the_server_ends_its_agents_leave():
    relay = PlayedRelay()
    made = site(relay)
    await join(made)
    await made.server.end_calls()
    assert relay.voices[0].has_left


@pytest.mark.parametrize("method_and_path", [("GET", "/rooms"), ("DELETE", "/rooms/call_1"), ("GET", "/api/v1/rooms")])
async def test_the_list_and_sending_away_need_the_key(method_and_path: tuple[str, str]):
    made = site(PlayedRelay())
    assert (await made.request(*method_and_path)).status == 401


async def test_the_token_must_be_an_agents_signed_with_the_shared_key_and_still_hold():
    relay = PlayedRelay()
    made = site(relay)
    old = token(made)
    refused = {
        "BAD_ROOM_TOKEN": token(made, secret="x" * 32),
        "ROOM_TOKEN_KIND": token(made, kind="standard"),
    }
    for code, given in refused.items():
        answer = await join(made, token=given)
        assert answer.json["error"]["code"] == code
    assert (await join(made, token=token(made, room_join=False))).status == 400
    made.clock.advance(700)
    answer = await join(made, token=old)
    assert (answer.status, answer.json["error"]["code"]) == (401, "ROOM_TOKEN_EXPIRED")
    assert relay.tokens == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 1}', b"{}", b"\xff"])
async def test_a_body_that_is_no_invitation_is_refused(body: bytes):
    made = site(PlayedRelay())
    answer = await made.request("POST", "/rooms/join", body=body)
    assert (answer.status, answer.json["error"]["code"]) == (400, "BAD_REQUEST")


async def test_an_unknown_agent_is_refused_by_name():
    answer = await join(site(PlayedRelay()), agent="eve")
    assert (answer.status, answer.json["error"]["code"]) == (404, "UNKNOWN_AGENT")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DependencyError("x", code="relay_unreachable", retryable=True), 502, "RELAY_UNREACHABLE"),
        (DependencyError("x", code="relay_full", retryable=True), 503, "RELAY_FULL"),
        (UsageError("x", code="room_token_invalid"), 502, "RELAY_REFUSED"),
    ],
)
async def test_a_relay_that_does_not_let_it_in_is_told_and_costs_no_place(error: Exception, status: int, code: str):
    relay = PlayedRelay()
    relay.error = error
    made = site(relay)
    answer = await join(made)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert made.server.admission.calls == 0


async def test_a_relay_that_does_not_answer_is_given_up_before_who_invites_gives_up():
    relay = PlayedRelay()
    relay.delay_s = 4.9
    answer = await join(site(relay))
    assert (answer.status, answer.json["error"]["code"]) == (502, "RELAY_UNREACHABLE")


async def test_a_full_server_says_when_to_come_again():
    made = site(PlayedRelay(), max_concurrent_calls=1)
    assert (await join(made)).status == 202
    answer = await join(made)
    assert (answer.status, answer.json["error"]["code"], answer.headers["retry-after"]) == (503, "AT_CAPACITY", "5")


async def test_other_relays_and_feeds_are_reached_in_allowed_networks_only():
    made = site(PlayedRelay())
    answer = await join(made, media_url="ws://127.0.0.1:7880")
    assert (answer.status, answer.json["error"]["code"]) == (400, "URL_REFUSED")
    answer = await join(made, transcripts_url="http://169.254.169.254/latest")
    assert (answer.status, answer.json["error"]["code"]) == (400, "URL_REFUSED")
    assert made.server.admission.calls == 0


async def test_without_a_shared_key_there_are_no_rooms():
    answer = await join(site(PlayedRelay(), media_key="", media_secret=""), token="x")
    assert (answer.status, answer.json["error"]["code"]) == (503, "ROOMS_NOT_CONFIGURED")
