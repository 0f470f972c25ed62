"""An event on the bus and in a frame."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.events.audience import EVERYONE, Readers, Users
from vox.chat.events.event import Event, decode_event, encode_event, encode_tail, shown
from vox.chat.events.ids import FeedId, UserId

ids = st.integers(0, 2**63 - 1)
payloads = st.dictionaries(
    st.text(max_size=10), st.none() | st.booleans() | ids | st.text(max_size=20) | st.lists(ids, max_size=3), max_size=4
)
events = st.builds(
    Event,
    st.from_regex(r"[a-z_]{1,20}", fullmatch=True),
    payloads,
    st.sampled_from([EVERYONE, Readers(FeedId(7)), Users((UserId(1), UserId(2)))]),
    ids,
    ids,
    payloads,
)


@given(events)
def test_an_event_survives_the_bus(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


@given(events, st.integers(1, 2**53))
def test_a_frame_is_a_number_and_what_happened(event: Event, seq: int) -> None:
    frame = json.loads(b'{"seq":%d,' % seq + encode_tail(event))
    assert frame == {"seq": seq, "type": event.type, "d": event.payload}


@pytest.mark.parametrize("data", [b"", b"\x01", b'{"type":"x"}', encode_event(Event("x", {}, EVERYONE))[:-1]])
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_event(data)


def test_only_set_fields_are_shown() -> None:
    assert shown(name="n", topic=None, position=0, text="", pinned=False) == {
        "name": "n",
        "position": 0,
        "text": "",
        "pinned": False,
    }
