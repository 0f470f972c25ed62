"""Agents and telephone callers in rooms, and what they say in the room's feed."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.chat.helpers_bots import Answer, Received
from tests.contract.chat.helpers_spaces import deny, feed, refusal
from tests.contract.chat.voice.conftest import VoiceRig
from tests.fakes.media_server import KEY
from vox.chat.events.permissions import P
from vox.security.room_tokens import RoomClaims, RoomKey, SipGrant, read_room_token, sign_room_token

API = "/api/v1/voice"


class AgentServer:
    """The agent server's side of an invitation."""

    def __init__(self, voice: VoiceRig, answer: Answer = (202, {}, b'{"call_id": "c1"}')) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer = answer
        voice.others["/rooms/join"] = self._join

    def _join(self, request: Received) -> Answer:
        self.asked.append(json.loads(request.body))
        return self.answer


async def ask(voice: VoiceRig, method: str, path: str, token: str, body: Any = None) -> httpx2.Response:
    more: dict[str, Any] = {} if body is None else {"json": body}
    return await voice.rig.http.request(method, API + path, headers={"authorization": f"Bearer {token}"}, **more)


def telephony(voice: VoiceRig, key: RoomKey = KEY, *, call: bool = True) -> str:
    claims = RoomClaims(sub="vox-agent", sip=SipGrant(call=call))
    return sign_room_token(key, claims, now=voice.clock.unix(), lifetime_s=60)


async def test_an_agent_is_sent_for_shown_and_removed(voice: VoiceRig):
    alice = await voice.register("alice")
    room, server = await voice.room(alice), AgentServer(voice)
    async with alice.gateway() as gateway:
        reply = await alice.post(
            f"/rooms/{room}/voice/agents", {"agent": "guide", "language": "de", "interrupted_by": [1]}
        )
        assert reply.status_code == 201
        guest = {
            "guest_id": 1,
            "kind": "agent",
            "identity": "agent-1",
            "name": "guide",
            "inviter_id": 1,
            "joined_at": None,
        }
        assert reply.json() == guest
        assert (await gateway.expect("voice_state_update"))["d"]["guests"] == [guest]
        (asked,) = server.asked
        assert (asked["agent"], asked["language"], asked["interrupted_by"]) == ("guide", "de", ["user-1"])
        assert asked["transcripts_url"] == ""
        voice.media.connect(asked["token"])
        await voice.sweep()
        shown = (await gateway.expect("voice_state_update"))["d"]["guests"]
        assert shown == [guest | {"joined_at": voice.clock.unix_s()}]
    assert voice.media.rooms["vox-1"]["agent-1"]["kind"] == "AGENT"
    assert (await alice.delete(f"/rooms/{room}/voice/guests/1")).status_code == 204
    assert voice.media.everyone() == {}
    assert (await alice.ok("GET", f"/rooms/{room}/voice"))["guests"] == []
    assert refusal(await alice.delete(f"/rooms/{room}/voice/guests/1")) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, {}, b'{"error": {"code": "UNKNOWN_AGENT"}}'), (404, "AGENT_NOT_FOUND")),
        ((404, {}, b"<html>"), (503, "AGENT_UNAVAILABLE")),
        ((503, {"retry-after": "3"}, b"{}"), (503, "AGENT_UNAVAILABLE")),
        ((500, {}, b"[" * 5000), (503, "AGENT_UNAVAILABLE")),
        ((302, {"location": "http://127.0.0.1/"}, b""), (503, "AGENT_UNAVAILABLE")),
    ],
)
async def test_an_agent_that_does_not_come_is_in_no_room(voice: VoiceRig, answer: Answer, expected: tuple[int, str]):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    AgentServer(voice, answer)
    assert refusal(await alice.post(f"/rooms/{room}/voice/agents", {"agent": "x"})) == expected
    assert (await alice.ok("GET", f"/rooms/{room}/voice"))["guests"] == []


async def test_an_agent_that_never_comes_or_leaves_is_gone_after_a_while(voice: VoiceRig):
    alice = await voice.register("alice")
    room, server = await voice.room(alice), AgentServer(voice)
    await alice.ok("POST", f"/rooms/{room}/voice/agents", {})
    await voice.sweep(60)
    assert (await alice.ok("GET", f"/rooms/{room}/voice"))["guests"] == []
    await alice.ok("POST", f"/rooms/{room}/voice/agents", {})
    voice.media.connect(server.asked[-1]["token"])
    await voice.sweep()
    voice.media.disconnect("agent-2")
    await voice.sweep()
    await voice.sweep(15)
    assert (await alice.ok("GET", f"/rooms/{room}/voice"))["guests"] == []


async def test_the_slash_command_invites_into_the_senders_room(voice: VoiceRig):
    alice = await voice.register("alice")
    room, server, general = await voice.room(alice), AgentServer(voice), await feed(alice)
    say = f"/feeds/{general}/messages"
    assert refusal(await alice.post(say, {"body": "/agent guide"})) == (400, "NOT_IN_VOICE")
    await voice.join(alice, room)
    sent = await alice.ok("POST", say, {"body": "/agent guide"})
    assert (sent["msg_id"], bool(sent["interaction_id"])) == (0, True)
    assert [one["agent"] for one in server.asked] == ["guide"]
    assert len((await alice.ok("GET", f"/rooms/{room}/voice"))["guests"]) == 1
    await alice.ok("POST", say, {"body": "/agent leave"})
    assert (await alice.ok("GET", f"/rooms/{room}/voice"))["guests"] == []
    assert (await alice.ok("GET", say))["messages"] == []
    bob = await voice.register("bob")
    await voice.join(bob, room)
    assert refusal(await bob.post(say, {"body": "/agent"})) == (403, "MISSING_PERMISSIONS")
    assert (await bob.ok("POST", say, {"body": "/agents are nice"}))["msg_id"] > 0


async def test_a_caller_enters_with_the_code_of_the_number(voice: VoiceRig):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    made = await alice.ok("POST", f"/rooms/{room}/voice/numbers", {"number": "+49301234567", "code": "4711"})
    assert made["code"] == "4711"
    info = await ask(voice, "GET", "/numbers/+49301234567", telephony(voice))
    assert info.json() == {"number": "+49301234567", "needs_code": True}
    body = {"number": "+49301234567", "code": "4711", "caller": "+491701112233", "call_id": "c1"}
    reply = await ask(voice, "POST", "/calls", telephony(voice), body)
    assert reply.status_code == 200
    admitted = reply.json()
    assert (admitted["room_id"], admitted["room_name"], admitted["identity"]) == (room, "a voice", "caller-1")
    voice.media.connect(admitted["token"])
    await voice.sweep()
    person = voice.media.rooms["vox-1"]["caller-1"]
    assert (person["kind"], person["name"]) == ("SIP", "Caller …2233")
    assert person["attributes"] == {"sip.phoneNumber": "Caller …2233", "sip.callID": "c1"}
    (guest,) = (await alice.ok("GET", f"/rooms/{room}/voice"))["guests"]
    assert (guest["kind"], guest["name"]) == ("caller", "Caller …2233")
    await alice.ok("DELETE", f"/rooms/{room}/voice/guests/{guest['guest_id']}")
    assert voice.media.everyone() == {}


async def test_codes_are_not_guessed(voice: VoiceRig):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    made = await alice.ok("POST", f"/rooms/{room}/voice/numbers", {"number": "+49301234567"})
    assert len(made["code"]) == 8
    assert made["code"].isdigit()
    taken = {"number": "+49301234567", "code": made["code"]}
    assert refusal(await alice.post(f"/rooms/{room}/voice/numbers", taken)) == (409, "CODE_TAKEN")
    for number in ("12", "+0123456", "+49 30 1234", "+49301234567890123456"):
        assert refusal(await alice.post(f"/rooms/{room}/voice/numbers", {"number": number}))[0] == 422
    wrong = {"number": "+49301234567", "code": "0", "caller": "+491701112233"}
    for token in (
        "",
        "a.b.c",
        telephony(voice, RoomKey(KEY.key, "other")),
        telephony(voice, RoomKey("other", KEY.secret)),
    ):
        assert refusal(await ask(voice, "POST", "/calls", token, wrong)) == (401, "AUTH_FAILED")
    assert refusal(await ask(voice, "POST", "/calls", telephony(voice, call=False), wrong)) == (403, "FORBIDDEN")
    assert refusal(await ask(voice, "POST", "/calls", telephony(voice), wrong)) == (404, "CODE_NOT_FOUND")
    assert refusal(await ask(voice, "GET", "/numbers/+49309", telephony(voice))) == (404, "CODE_NOT_FOUND")
    assert len((await alice.ok("GET", f"/rooms/{room}/voice/numbers"))["items"]) == 1
    await alice.ok("DELETE", f"/rooms/{room}/voice/numbers/{made['number_id']}")
    again = {"number": "+49301234567", "code": made["code"], "caller": "x"}
    assert refusal(await ask(voice, "POST", "/calls", telephony(voice), again)) == (404, "CODE_NOT_FOUND")


async def test_what_was_said_is_written_to_the_rooms_feed_once(voice: VoiceRig):
    alice = await voice.register("alice")
    room, server, general = await voice.room(alice), AgentServer(voice), await feed(alice)
    await alice.ok("PUT", f"/rooms/{room}/voice/settings", {"transcript_feed_id": general})
    await voice.join(alice, room)
    await alice.ok("POST", f"/rooms/{room}/voice/agents", {"name": "Guide"})
    (asked,) = server.asked
    assert asked["transcripts_url"].endswith("/api/v1/voice/transcripts")
    items = [
        {"id": "s1", "identity": "user-1", "text": "When is high tide?", "at": 1.5, "language": "en"},
        {"id": "s2", "identity": "agent-1", "text": "At noon."},
        {"id": "s3", "identity": "user-999", "text": "  "},
    ]
    claims = read_room_token(asked["token"], {KEY.key: KEY.secret}, now=voice.clock.unix())
    over = sign_room_token(KEY, claims, now=voice.clock.unix() - 9000, lifetime_s=3600)  # it is in its room for long
    for token in (asked["token"], over):
        reply = await ask(voice, "POST", "/transcripts", token, {"items": items})
        assert reply.status_code == 204
    found = (await alice.ok("GET", f"/feeds/{general}/messages"))["messages"]
    assert [(one["webhook_name"], one["body"]) for one in found] == [
        ("Guide", "At noon."),
        ("alice", "When is high tide?"),
    ]


async def test_only_an_agent_that_is_in_the_room_writes_and_fetches(voice: VoiceRig):
    alice = await voice.register("alice")
    room, server = await voice.room(alice), AgentServer(voice)
    joined = await voice.join(alice, room)
    await alice.ok("POST", f"/rooms/{room}/voice/agents", {})
    token = server.asked[0]["token"]
    for path, body in (("/transcripts", {"items": []}), ("/fetch", {"user_id": 1})):
        assert refusal(await ask(voice, "POST", path, joined["media_token"], body)) == (403, "FORBIDDEN")
        assert refusal(await ask(voice, "POST", path, token + "x", body)) == (401, "AUTH_FAILED")
    many = {"items": [{"id": str(n), "identity": "user-1", "text": "x"} for n in range(51)]}
    assert refusal(await ask(voice, "POST", "/transcripts", token, many))[0] == 422
    await alice.ok("DELETE", f"/rooms/{room}/voice/guests/1")
    assert refusal(await ask(voice, "POST", "/fetch", token, {"user_id": 1})) == (403, "FORBIDDEN")


async def test_an_agent_fetches_a_person_in(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room, server = await voice.room(alice), AgentServer(voice)
    await alice.ok("POST", f"/rooms/{room}/voice/agents", {})
    token = server.asked[0]["token"]
    async with bob.gateway() as gateway:
        assert (await ask(voice, "POST", "/fetch", token, {"username": "Bob"})).status_code == 204
        assert (await gateway.expect("voice_invite"))["d"] == {"room_id": room, "from": "agent-1"}
    assert refusal(await ask(voice, "POST", "/fetch", token, {"username": "nobody"})) == (404, "USER_NOT_FOUND")
    assert refusal(await ask(voice, "POST", "/fetch", token, {})) == (404, "USER_NOT_FOUND")
    await deny(alice, room, bob, P.CONNECT, kind="rooms")
    assert refusal(await ask(voice, "POST", "/fetch", token, {"user_id": 2})) == (403, "MISSING_PERMISSIONS")
