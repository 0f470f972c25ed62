"""The pipe between the pocketsphinx driver and its workers."""

from hypothesis import given
from hypothesis import strategies as st

from vox.providers.stt._worker_frames import Audio, Begin, Decode, Reset, to_worker
from vox.providers.workers.framing import Unframer, frame

MESSAGES = st.one_of(
    st.builds(Begin, st.integers(0, 1 << 40), st.none() | st.text()),
    st.builds(Audio, st.integers(0, 9), st.binary()),
    st.builds(Decode, st.integers(0, 9), st.integers(0, 9), st.booleans()),
    st.builds(Reset, st.integers(0, 9)),
)


@given(st.lists(MESSAGES, max_size=5), st.integers(1, 50))
def test_frames_arrive_however_the_pipe_cuts_them(messages, size):
    stream = b"".join(frame(message) for message in messages)
    unframer = Unframer()
    arrived = [
        to_worker.decode(body)
        for start in range(0, len(stream), size)
        for body in unframer.feed(stream[start : start + size])
    ]
    assert arrived == messages
