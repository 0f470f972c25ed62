import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from livekit.api import TokenVerifier, WebhookReceiver
from livekit.protocol.models import ParticipantInfo, Room, TrackInfo
from livekit.protocol.webhook import WebhookEvent

from tests.fakes.loop import VirtualClock
from vox.errors import DependencyError, UsageError
from vox.relay.metrics import WEBHOOKS
from vox.relay.rooms.events import (
    ParticipantAborted,
    ParticipantJoined,
    ParticipantLeft,
    RoomEvent,
    RoomFinished,
    RoomStarted,
    TrackPublished,
    TrackUnpublished,
)
from vox.relay.service.events import webhook_event
from vox.relay.service.webhooks import LONGEST_PAUSE_S, Webhooks, body_token, pause_after
from vox.runtime.clock import SystemClock
from vox.runtime.metrics import Metrics
from vox.security.outbound import FetchResult
from vox.security.room_tokens import RoomKey

KEY = RoomKey("key", "0123456789abcdef0123456789abcdef")


class Receiver:
    """Stands for the guard: keeps what is posted, and answers as told."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.posted: list[tuple[str, bytes, Mapping[str, str]]] = []

    async def fetch(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, **_more: Any):
        assert method == "POST"
        self.posted.append((url, body, headers))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return FetchResult(answer, {}, b"", "192.0.2.1", 0.0, url)

    def events(self, url: str = "") -> list[WebhookEvent]:
        return [Parse(body, WebhookEvent()) for to, body, _ in self.posted if not url or to == url]


def hooks(receiver: Receiver, *urls: str, metrics: Metrics | None = None, **more: Any) -> Webhooks:
    guard: Any = receiver
    return Webhooks(
        urls or ("https://a.example/hook",),
        KEY,
        guard,
        VirtualClock(asyncio.get_running_loop()),
        Random(1),
        metrics or Metrics(),
        **more,
    )


def named(name: str) -> WebhookEvent:
    return WebhookEvent(event="room_started", room=Room(name=name))


async def test_events_arrive_in_order_and_are_vouched_for(virtual_loop: None):
    receiver = Receiver()
    webhooks = hooks(receiver)
    async with webhooks.running():
        for name in ("one", "two", "three"):
            webhooks.submit(named(name))
    assert [event.room.name for event in receiver.events()] == ["one", "two", "three"]
    assert len({event.id for event in receiver.events()}) == 3
    assert all(event.created_at > 0 for event in receiver.events())


def test_the_official_receiver_accepts_the_token_and_refuses_another_body():
    body = b'{"event":"room_started","room":{"name":"lobby"}}'
    token = body_token(KEY, body, SystemClock().unix())
    official = WebhookReceiver(TokenVerifier(KEY.key, KEY.secret))
    assert official.receive(body.decode(), token).room.name == "lobby"
    with pytest.raises(Exception, match="hash mismatch"):
        official.receive(body.decode().replace("lobby", "vault"), token)


async def test_an_event_is_tried_again_before_the_next_one_goes(virtual_loop: None):
    receiver = Receiver(503, DependencyError("away", code="fetch_failed"), 200)
    webhooks = hooks(receiver)
    async with webhooks.running(flush_s=60):
        webhooks.submit(named("one"))
        webhooks.submit(named("two"))
    assert [event.room.name for event in receiver.events()] == ["one", "one", "one", "two"]
    assert len({event.id for event in receiver.events()}) == 2


async def test_an_event_is_given_up_after_its_tries_and_the_next_one_goes(virtual_loop: None):
    receiver, metrics = Receiver(500, 500, 500), Metrics()
    webhooks = hooks(receiver, metrics=metrics, max_tries=3)
    async with webhooks.running(flush_s=60):
        webhooks.submit(named("one"))
        webhooks.submit(named("two"))
    assert [event.room.name for event in receiver.events()] == ["one", "one", "one", "two"]
    shown = metrics.render().decode()
    assert f'{WEBHOOKS.name}{{result="dead"}} 1.0' in shown
    assert f'{WEBHOOKS.name}{{result="delivered"}} 1.0' in shown


async def test_an_address_that_is_refused_is_not_tried_again(virtual_loop: None):
    receiver = Receiver(UsageError("private", code="url_refused"))
    webhooks = hooks(receiver)
    async with webhooks.running():
        webhooks.submit(named("one"))
    assert len(receiver.posted) == 1


async def test_a_slow_address_holds_up_no_other(virtual_loop: None):
    gone = asyncio.Event()

    class Stalling(Receiver):
        async def fetch(self, method: str, url: str, **more: Any):
            if url == "https://slow.example":
                await gone.wait()
            return await super().fetch(method, url, **more)

    receiver = Stalling()
    webhooks = hooks(receiver, "https://slow.example", "https://quick.example")
    async with webhooks.running(flush_s=1):
        webhooks.submit(named("one"))
        webhooks.submit(named("two"))
        await asyncio.sleep(0.1)
        assert [event.room.name for event in receiver.events("https://quick.example")] == ["one", "two"]
    assert not receiver.events("https://slow.example")


async def test_a_full_queue_drops_the_oldest_and_says_how_many(virtual_loop: None):
    receiver = Receiver()
    webhooks = hooks(receiver, queue_size=2)
    for name in ("one", "two", "three", "four"):
        webhooks.submit(named(name))
    async with webhooks.running():
        pass
    assert [(event.room.name, event.num_dropped) for event in receiver.events()] == [("three", 2), ("four", 0)]


def test_pauses_double_up_to_a_minute():
    pauses = [pause_after(attempt) for attempt in range(1, 10)]
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert pauses[-1] == LONGEST_PAUSE_S


ROOM, ADA, TRACK = Room(name="lobby"), ParticipantInfo(identity="ada"), TrackInfo(sid="TR_1")


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (RoomStarted(ROOM, {}), "room_started"),
        (RoomFinished(ROOM), "room_finished"),
        (ParticipantJoined(ROOM, ADA), "participant_joined"),
        (ParticipantLeft(ROOM, ADA), "participant_left"),
        (ParticipantAborted(ROOM, ADA), "participant_connection_aborted"),
        (TrackPublished(ROOM, ADA, TRACK), "track_published"),
        (TrackUnpublished(ROOM, ADA, TRACK), "track_unpublished"),
    ],
)
def test_what_happens_in_rooms_has_the_documented_names(event: RoomEvent, name: str):
    told = webhook_event(event)
    assert (told.event, told.room.name) == (name, "lobby")
    assert told.participant.identity == ("" if name.startswith("room") else "ada")
    assert told.track.sid == ("TR_1" if name.startswith("track") else "")
