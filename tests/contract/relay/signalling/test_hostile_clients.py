"""Clients that break the protocol over a real socket: closed by name, bounded, and the others go on."""

import asyncio

import pytest
from livekit.protocol import models, rtc
from websockets.asyncio.client import connect

from tests.contract.relay.service.harness import Member, RunningRelay, running_relay
from tests.time_limits import time_limit
from vox.relay.signalling.session import Session


async def closes(member: Member) -> tuple[int, str]:
    """The code and reason that a socket is closed with."""
    async with time_limit():
        await member.socket.wait_closed()
    return member.socket.close_code or 0, member.socket.close_reason or ""


async def goes_on(other: Member) -> None:
    await other.say(ping=7)
    assert (await other.until("pong")).pong == 7


async def gone(relay: RunningRelay, identity: str) -> None:
    async with time_limit():
        while identity in {one.identity for one in relay.relay.rooms.participants("room")}:  # noqa: ASYNC110  the socket's end comes by the loop
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"offer": rtc.SessionDescription(type="offer", sdp="v=0\r\n" + "a=x\r\n" * 180_000)}, (1008, "sdp_too_large")),
        ({"offer": rtc.SessionDescription(type="offer", sdp="garbage")}, (1008, "sdp_refused")),
        ({"subscription": rtc.UpdateSubscription(track_sids=["x"] * 5_000)}, (1008, "message_too_large")),
    ],
)
async def test_requests_that_cannot_be(request_, code):
    async with running_relay() as relay, relay.member("room", "bob") as bob, relay.member("room", "ann") as ann:
        await ann.say(**request_)
        assert await closes(ann) == code
        await goes_on(bob)
        await gone(relay, "ann")


async def test_a_message_of_two_megabytes():
    async with running_relay() as relay, relay.member("room", "bob") as bob, relay.member("room", "ann") as ann:
        await ann.socket.send(bytes(2 << 20))
        assert (await closes(ann))[0] == 1009
        await goes_on(bob)


async def test_garbage():
    async with running_relay() as relay, relay.member("room", "bob") as bob, relay.member("room", "ann") as ann:
        await ann.socket.send(b"\xff" * 64)
        assert await closes(ann) == (1008, "message_malformed")
        await goes_on(bob)


async def test_a_flood():
    async with running_relay() as relay, relay.member("room", "bob") as bob, relay.member("room", "ann") as ann:
        unanswered = rtc.SignalRequest(trickle=rtc.TrickleRequest(candidateInit="{}")).SerializeToString()

        async def flood() -> None:
            for _ in range(20_000):
                await ann.socket.send(unanswered)

        codes: list[str] = []
        relay.relay.rooms.context.refused = codes.append
        sending = asyncio.ensure_future(flood())
        await closes(ann)  # who goes on sending may miss the code
        await asyncio.gather(sending, return_exceptions=True)
        assert codes == ["too_many_messages"]
        await goes_on(bob)


async def test_a_client_that_never_reads_is_closed_and_costs_a_bounded_backlog():
    async with running_relay() as relay, relay.member("room", "bob") as bob:
        token = relay.token("ann", room_join=True, room="room")
        async with connect(f"{relay.ws}/rtc?access_token={token}", max_queue=1, close_timeout=0.1) as socket:
            await socket.recv()
            ann = relay.relay.rooms.find("room", "ann")[1]
            session = ann.outbox
            assert isinstance(session, Session)
            sent = 0
            while session.is_open:
                relay.relay.rooms.update_room_metadata("room", f"{sent}".rjust(60_000))
                await bob.until("room_update")
                sent += 60_000
                assert sent < 128 << 20  # what the kernel takes, and the bound
            async with time_limit():
                while ann.outbox is not None:  # noqa: ASYNC110  the socket's end comes by the loop
                    await asyncio.sleep(0.01)
        await goes_on(bob)
        assert ann.detached_at is not None


async def test_thousand_tracks():
    async with running_relay() as relay, relay.member("room", "bob") as bob, relay.member("room", "ann") as ann:
        microphone = models.TrackSource.MICROPHONE
        for number in range(1_000):
            await ann.say(add_track=rtc.AddTrackRequest(cid=f"cid-{number}", source=microphone))
        limit = relay.relay.rooms.context.limits.tracks
        for _ in range(1_000 - limit):
            refused = (await ann.until("request_response")).request_response
            assert refused.reason == rtc.RequestResponse.LIMIT_EXCEEDED
        assert len(relay.relay.rooms.find("room", "ann")[1].pending) == limit
        await goes_on(bob)


async def test_a_socket_that_drops_leaves_the_participant_for_a_resume():
    async with running_relay() as relay, relay.member("room", "bob") as bob:
        async with relay.member("room", "ann") as ann:
            sid = ann.joined.participant.sid
            ann.socket.transport.abort()
        token = relay.token("ann", room_join=True, room="room")
        async with connect(f"{relay.ws}/rtc?access_token={token}&reconnect=1&sid={sid}") as socket:
            again = Member(socket)
            assert (await again.until("reconnect")).reconnect.last_message_seq == 0
            assert (await again.until("offer")).offer.sdp
        await goes_on(bob)
