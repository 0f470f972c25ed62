"""Our hand-written protobuf against Google's package, and against whatever arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocols.pipecat_reference import frames, official, text, to_official, u32, u64
from vox.errors import PeerError
from vox.protocols.pipecat_frames import (
    AudioRawFrame,
    MessageFrame,
    TextFrame,
    decode_frame,
    decode_microphone,
    encode_audio,
    encode_frame,
    encode_numbered_audio,
)


@given(frames)
def test_the_protobuf_package_reads_what_we_write(frame):
    assert official().FromString(encode_frame(frame)) == to_official(frame)


@given(frames)
def test_we_read_what_the_protobuf_package_writes(frame):
    assert decode_frame(to_official(frame).SerializeToString()) == frame


@given(frames)
def test_a_frame_survives_its_way_there_and_back(frame):
    assert decode_frame(encode_frame(frame)) == frame


@given(st.data(), st.binary(min_size=128, max_size=1500), u64, text)
def test_the_quick_way_in_never_disagrees_with_the_thorough_one(data, pcm, id_, name):
    message = bytearray(encode_frame(AudioRawFrame(pcm, 16000, 1, id_, name)))
    for _ in range(data.draw(st.integers(0, 3))):
        message[data.draw(st.integers(0, min(len(message) - 1, 40)))] = data.draw(st.integers(0, 255))
    message = bytes(message[: data.draw(st.sampled_from([len(message), len(message) - 1, len(message) - 4]))])
    quick = decode_microphone(message)
    if quick is None:
        return
    try:
        frame = decode_frame(message)
    except PeerError as error:
        assert "UTF-8" in str(error) or "64 bits" in str(error)  # noqa: PT017  the id and name nobody reads here
        return
    assert isinstance(frame, AudioRawFrame)
    assert quick == (frame.audio, frame.sample_rate, frame.num_channels)


def test_the_first_field_of_the_oneof_counts():
    assert decode_frame(encode_frame(TextFrame("one")) + encode_frame(MessageFrame("{}"))) == TextFrame("one")


@given(st.binary(max_size=300))
def test_garbage_is_a_frame_nothing_or_malformed(data):
    for message in (data, *(bytes((tag, len(data) & 0x7F)) + data for tag in (0x0A, 0x12, 0x1A, 0x22, 0x2A))):
        try:
            decode_frame(message)
        except PeerError as error:
            assert error.code == "malformed_message"  # noqa: PT017  others are fine


@given(st.binary(min_size=128, max_size=3000), st.sampled_from([8000, 16000, 48000]), u64, st.text("abc#", max_size=20))
def test_usual_microphone_audio_takes_the_quick_way(pcm, rate, id_, name):
    assert decode_microphone(encode_frame(AudioRawFrame(pcm, rate, 1, id_, name))) == (pcm, rate, 1)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x12",
        encode_frame(TextFrame("a" * 200)),
        encode_frame(AudioRawFrame(b"\x01\x02", 16000)),
        encode_frame(AudioRawFrame(bytes(40_000), 16000)),
        encode_frame(AudioRawFrame(bytes(640), 16000, name="n" * 200)),
        encode_frame(AudioRawFrame(bytes(640), 16000))[:-1],
        encode_frame(AudioRawFrame(bytes(640), 16000)) + b"\x38\x05",
        b"\x12\x88\x01\x1a\x80\x01" + bytes(128) + b"\x42\x03aaa",  # a text where the form stands
        b"\x12\x84\x01\x1a\x80\x01" + bytes(128) + b"\x00",  # no field
        b"\x12\x82\x01\x1a\x81\x01" + bytes(127),  # samples beyond the end
    ],
)
def test_other_frames_are_left_to_the_thorough_way(message):
    assert decode_microphone(message) is None


@given(st.binary(max_size=3000), u32)
def test_agent_audio_is_a_mono_frame(pcm, rate):
    expected = AudioRawFrame(pcm, rate)
    assert decode_frame(encode_audio(pcm, rate)) == expected


@given(st.binary(max_size=1000), u32, u64, st.text("abc#0123456789", max_size=127))
def test_numbered_audio_is_the_frame_with_its_id_and_name(pcm, rate, id_, name):
    encoded = encode_numbered_audio(pcm, rate, id_, name.encode())
    assert decode_frame(encoded) == AudioRawFrame(pcm, rate, 1, id_, name)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (b"\x0a", "cut off"),
        (b"\x0a\x05ab", "cut off"),
        (b"\x09\x00", "cut off"),
        (b"\x80", "cut off"),
        (b"\x0a" + b"\xff" * 9 + b"\x02", "64 bits"),
        (b"\x0a" + b"\x80" * 11, "64 bits"),
        (b"\x02\x00", "impossible number"),
        (b"\xf8\xff\xff\xff\xff\x0f\x00", "impossible number"),
        (b"\x0b", "groups"),
        (b"\x0a\x03\x1a\x01\xff", "UTF-8"),
        (b"\x12\x03\x12\x01\xff", "UTF-8"),
    ],
)
def test_broken_frames_say_what_is_wrong(message, problem):
    with pytest.raises(PeerError, match=problem) as caught:
        decode_frame(message)
    assert caught.value.code == "malformed_message"


def test_unknown_fields_are_skipped_and_alone_are_no_frame():
    extra = b"\x38\x05" + b"\x41" + bytes(8) + b"\x4d" + bytes(4) + b"\x52\x02hi"
    body = b"\x1a\x02ab" + extra
    assert decode_frame(extra + b"\x0a" + bytes((len(body),)) + body) == TextFrame("ab")
    assert decode_frame(extra) is None
    assert decode_frame(b"") is None
    audio = b"\x1a\x02ab" + extra
    assert decode_frame(b"\x12" + bytes((len(audio),)) + audio) == AudioRawFrame(b"ab", 0, 0)


def test_half_characters_become_question_marks():
    assert decode_frame(encode_frame(TextFrame("a\ud800b"))) == TextFrame("a?b")
