"""The record of a call: what goes in comes out, and nothing else is believed."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.call import checkpoint
from vox.agent.call.checkpoint import Checkpoint, SavedAnswer, SavedEntry, SavedTool
from vox.errors import DependencyError

TEXTS = st.text(max_size=30)
TOOLS = st.builds(SavedTool, TEXTS, TEXTS, TEXTS, st.none() | TEXTS)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": st.none() | TEXTS}
)
ENTRIES = st.builds(lambda message: SavedEntry(message=message), MESSAGES) | st.builds(
    lambda heard, tools: SavedEntry(heard=heard, tools=tuple(tools)), TEXTS, st.lists(TOOLS, max_size=3)
)
TIMES = st.floats(0, 4e9)
CHECKPOINTS = st.builds(
    Checkpoint,
    call_id=TEXTS,
    transport=TEXTS,
    agent=TEXTS,
    began_at=TIMES,
    saved_at=TIMES,
    entries=st.lists(ENTRIES, max_size=5).map(tuple),
    answer=st.none() | st.builds(SavedAnswer, TEXTS, st.booleans(), TEXTS, st.none() | TEXTS),
    variables=st.dictionaries(TEXTS, TEXTS, max_size=3),
    digits=TEXTS,
    rows=st.integers(0, 10**9),
    talked_s=st.none() | TIMES,
)
PLAIN = Checkpoint(call_id="call_1", transport="twilio", agent="a", began_at=1.0, saved_at=2.0)


@given(CHECKPOINTS)
def test_what_goes_in_comes_out(saved: Checkpoint):
    assert checkpoint.decode(checkpoint.encode(saved)) == saved


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_is_raised(record: bytes):
    try:
        checkpoint.decode(record)
    except DependencyError as error:
        assert error.code == "checkpoint_unreadable"  # noqa: PT017  most garbage is refused, and all of it so


@given(CHECKPOINTS, st.integers(0, 400))
def test_a_record_that_broke_off_is_refused(saved: Checkpoint, length: int):
    record = checkpoint.encode(saved)
    if length < len(record):
        with pytest.raises(DependencyError):
            checkpoint.decode(record[:length])


def test_a_record_of_a_newer_server_with_more_fields_is_read_and_one_of_another_version_is_not():
    fields: dict[str, Any] = msgspec.msgpack.decode(checkpoint.encode(PLAIN))
    assert checkpoint.decode(msgspec.msgpack.encode({**fields, "mood": "good"})) == PLAIN
    with pytest.raises(DependencyError, match="version"):
        checkpoint.decode(msgspec.msgpack.encode({**fields, "version": checkpoint.VERSION + 1}))
    with pytest.raises(DependencyError, match="bytes"):
        checkpoint.decode(bytes(checkpoint.MAX_RECORD_BYTES + 1))


def test_the_call_is_known_by_the_same_names():
    saved = msgspec.structs.replace(PLAIN, caller="+1", callee="+2", variables={"name": "Ann"}, session_id="s")
    info = saved.info
    assert (info.call_id, info.transport, info.caller, info.callee) == ("call_1", "twilio", "+1", "+2")
    assert (info.variables, info.session_id) == ({"name": "Ann"}, "s")
