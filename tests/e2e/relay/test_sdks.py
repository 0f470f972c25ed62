"""LiveKit's published clients for JavaScript, Python and Go in one room of the relay, by both versions of its protocol.

`VOX_TEST_LIVEKIT` names a LiveKit server to run the same against.
"""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.relay.rooms import Meeting, Member, open_meeting
from tests.sdks.servers import HTTP_PORT, LIVEKIT

VERSIONS = (0, 1)
pytestmark = pytest.mark.parametrize("version", VERSIONS)


async def test_each_hears_each_and_who_speaks_until_they_mute_and_leave(version: int, tmp_path: Path):
    async with open_meeting(tmp_path, version) as meeting:
        await asyncio.gather(*(_sees_all_speak(meeting, one) for one in meeting.members))
        for speaker in meeting.members:
            listeners = [one for one in meeting.members if one is not speaker]
            await _mutes(speaker, listeners, muted=True)
            await _mutes(speaker, listeners, muted=False)
        leaving, *staying = meeting.members
        await leaving.client.do("leave")
        await asyncio.gather(*(one.client.until("member", sender=leaving.identity, there=False) for one in staying))


async def test_who_subscribes_by_hand_hears_only_what_they_ask_for(version: int, tmp_path: Path):
    async with open_meeting(tmp_path, version) as meeting:
        for one, other in meeting.pairs():
            mark = one.client.mark()
            await one.client.do("subscribe", sid=other.sid, subscribed=False)
            if one.client.sdk != "go":  # its client does not tell
                await one.client.until("unsubscribed", since=mark, sid=other.sid)
            await _settle(meeting, one)  # the Python client may send two such wishes the other way round
            mark = one.client.mark()
            await one.client.do("subscribe", sid=other.sid, subscribed=True)
            await one.client.until("subscribed", since=mark, sid=other.sid)
            await one.client.hears(other.identity, other.hz, since=one.client.mark())
        for speaker in meeting.members:
            await speaker.client.do("unpublish", sid=speaker.sid)
            listeners = [one for one in meeting.members if one is not speaker]
            await asyncio.gather(*(one.client.until("unpublished", sid=speaker.sid) for one in listeners))


async def test_they_exchange_data_texts_calls_and_what_they_say_about_themselves(version: int, tmp_path: Path):
    async with open_meeting(tmp_path, version) as meeting:
        await asyncio.gather(*(_tells_all(meeting, one) for one in meeting.members))
        for one, other in meeting.pairs():
            answer = await one.client.do("rpc", to=other.identity, method="echo", payload="hello")
            assert answer == f"{one.identity}:hello"
            with pytest.raises(AssertionError, match=r"failed as asked|1234"):
                await one.client.do("rpc", to=other.identity, method="echo", payload="fail")
        speaker = next(one for one in meeting.members if one.client.sdk == "python")
        await speaker.client.do("transcribe", segment="s1", text="good evening", final=True, sid=speaker.sid)
        listeners = [one for one in meeting.members if one is not speaker]
        await asyncio.gather(
            *(one.client.until("transcription", sender=speaker.identity, segment="s1", text="good evening", final=True, sid=speaker.sid)
              for one in listeners)
        )  # fmt: skip


async def test_they_are_back_after_their_sockets_drop(version: int, tmp_path: Path):
    async with open_meeting(tmp_path, version) as meeting:
        marks = meeting.marks()
        await asyncio.gather(*(one.host.drop_connections(HTTP_PORT) for one in meeting.members))
        await asyncio.gather(*(_is_back(one, marks) for one in meeting.members))
        await asyncio.gather(*(_data_goes(one, other, "after") for one, other in meeting.pairs()))
        await meeting.all_hear_all(meeting.marks())
        for one in meeting.members:
            left = [event for event in one.client.events if event["event"] == "member" and not event["there"]]
            assert not left, f"{one.client.sdk} saw others leave: {left}"


async def test_they_hear_each_other_again_from_other_addresses(version: int, tmp_path: Path):
    async with open_meeting(tmp_path, version) as meeting:
        # Through a LiveKit server the Go client's ICE restart finds no pair, and it comes back after half a minute as a new session
        moving = [one for one in meeting.members if not (LIVEKIT and one.client.sdk == "go")]
        marks = meeting.marks()
        for number, one in enumerate(moving):
            await one.host.move(f"10.77.1.{number + 10}")
            await one.host.drop_connections(HTTP_PORT)
        await asyncio.gather(*(_is_back(one, marks) for one in moving))
        await meeting.all_hear_all(
            meeting.marks()
        )  # the Go client only with its second attempt: its ICE looks for the old address
        await asyncio.gather(*(_data_goes(one, other, "moved") for one, other in meeting.pairs()))


async def _settle(meeting: Meeting, one: Member) -> None:
    """Waits until the server has done what that member asked before."""
    other = next(other for other in meeting.members if other is not one)
    mark = other.client.mark()
    await one.client.do("attributes", attributes={"settled": str(mark)})
    await other.client.until_any(
        "attributes", lambda event: event["attributes"].get("settled") == str(mark), since=mark, told="of settling"
    )


async def _sees_all_speak(meeting: Meeting, one: Member) -> None:
    for other in meeting.members:
        if other is not one:
            await one.client.until_any(
                "speakers",
                lambda event, other=other: other.identity in event["identities"],
                told=f"with {other.identity}",
            )


async def _mutes(speaker: Member, listeners: list[Member], *, muted: bool) -> None:
    marks = [one.client.mark() for one in listeners]
    await speaker.client.do("mute", sid=speaker.sid, muted=muted)
    for one, mark in zip(listeners, marks, strict=True):
        await one.client.until("muted", since=mark, sender=speaker.identity, muted=muted)
        if one.client.sdk != "go":
            await one.client.hears(speaker.identity, 0 if muted else speaker.hz, since=mark)
        elif not muted:  # it hears packets, and silence has none
            await one.client.until("opus", since=mark, sender=speaker.identity)


async def _tells_all(meeting: Meeting, one: Member) -> None:
    others = [other for other in meeting.members if other is not one]
    for reliable in (True, False):
        await one.client.do("data", payload=f"to all {reliable}", topic="t", reliable=reliable, to=[])
        await asyncio.gather(
            *(
                other.client.until("data", sender=one.identity, topic="t", payload=f"to all {reliable}")
                for other in others
            )
        )
    told, untold = others
    await one.client.do("data", payload="to one", topic="t", reliable=True, to=[told.identity])
    await told.client.until("data", sender=one.identity, payload="to one")
    await one.client.do("text", text="grüße", topic="lk.transcription", attributes={"lk.segment_id": "7"}, to=[])
    await asyncio.gather(
        *(other.client.until("text", sender=one.identity, topic="lk.transcription", text="grüße") for other in others)
    )
    assert not [
        event for event in untold.client.events if event.get("payload") == "to one" and event["sender"] == one.identity
    ]
    await one.client.do("metadata", metadata=f"about {one.identity}")
    await one.client.do("attributes", attributes={"hand": "up"})
    for other in others:
        await other.client.until("metadata", sender=one.identity, metadata=f"about {one.identity}")
        await other.client.until_any(
            "attributes", lambda event: event["sender"] == one.identity and event["attributes"].get("hand") == "up"
        )


async def _data_goes(one: Member, other: Member, payload: str) -> None:
    text = f"{payload} {one.identity}"
    await one.client.do("data", payload=text, topic="t", reliable=True, to=[other.identity])
    await other.client.until("data", sender=one.identity, payload=text)


async def _is_back(one: Member, marks: dict[str, int]) -> None:
    mark = marks[one.client.sdk]
    await one.client.until("state", since=mark, state="reconnected")
