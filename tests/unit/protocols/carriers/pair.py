"""Two codecs of one carrier wired to each other in memory."""

import json
from typing import Any

import pytest

from vox.errors import PeerError
from vox.protocols.media_stream import StreamStarted

CODES = {"malformed_message", "message_too_large", "out_of_order_message", "unsupported_media"}


class Pair:
    """Our side and the carrier's; what one says the other hears at once, protocol answers included."""

    def __init__(self, server, carrier):
        self.server = server
        self.carrier = carrier

    def open(self, *, call_id="call-1", stream_id="stream-1", caller="+15550001", callee="+15550002", **parameters):
        messages = self.carrier.open(
            call_id=call_id, stream_id=stream_id, caller=caller, callee=callee, parameters=parameters
        )
        (started,) = [event for message in messages for event in self.to_server(message)]
        assert isinstance(started, StreamStarted)
        return started

    def to_server(self, message):
        if message is None:
            return []
        events = self.server.receive(message)
        for reply in self.server.replies():
            self.carrier.receive(reply)
        return events

    def to_carrier(self, message):
        if message is None:
            return []
        events = self.carrier.receive(message)
        for reply in getattr(self.carrier, "replies", list)():
            self.server.receive(reply)
        return events


def refused(codec, message):
    """The code with which a codec refuses a message."""
    with pytest.raises(PeerError) as caught:
        codec.receive(message)
    assert caught.value.code in CODES
    return caught.value.code


def outcome(codec, message):
    """What becomes of a message: `taken`, or the code with which it is refused."""
    try:
        codec.receive(message)
    except PeerError as error:
        return error.code
    return "taken"


def said(message) -> Any:
    """What a JSON message says."""
    return json.loads(message)


def only(events) -> Any:
    """The one event there is."""
    (event,) = events
    return event
