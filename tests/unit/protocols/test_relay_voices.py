import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import PeerError
from vox.protocols.relay_voices import (
    MAX_AUDIO_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_PAYLOAD_BYTES,
    RATES,
    DataReceived,
    DigitsReceived,
    Flush,
    Heard,
    Joined,
    Leave,
    Listen,
    Member,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    Mix,
    Mute,
    Muted,
    Refused,
    Removed,
    SendData,
    SendDigits,
    SendText,
    SetAttributes,
    SetMetadata,
    Speaker,
    SpeakersChanged,
    Speech,
    TextReceived,
    Transcribe,
    decode_client,
    decode_server,
    encode,
)

identities = st.text(max_size=64)
texts = st.text(max_size=100)
pcm = st.binary(max_size=200).map(lambda data: data[: len(data) // 2 * 2])
digits = st.text(alphabet="0123456789ABCD*#", max_size=12)
attributes = st.dictionaries(texts, texts, max_size=5)
members = st.builds(
    Member,
    identity=identities,
    name=texts,
    kind=st.sampled_from(["standard", "ingress", "egress", "sip", "agent"]),
    has_audio=st.booleans(),
    is_encrypted=st.booleans(),
    track=st.text(max_size=20),
    attributes=attributes,
)
speakers = st.builds(Speaker, identity=identities, level=st.floats(0, 1))
server_messages = st.one_of(
    st.builds(Joined, room=texts, identity=identities, members=st.lists(members, max_size=4), metadata=texts),
    st.builds(MemberJoined, member=members),
    st.builds(MemberChanged, member=members),
    st.builds(MemberLeft, identity=identities),
    st.builds(SpeakersChanged, speakers=st.lists(speakers, max_size=4)),
    st.builds(DataReceived, payload=st.binary(max_size=200), topic=texts, sender=identities),
    st.builds(TextReceived, text=texts, topic=texts, sender=identities),
    st.builds(DigitsReceived, digits=digits, sender=identities),
    st.builds(Muted, is_muted=st.booleans()),
    st.builds(Refused, command=st.text(max_size=20), code=st.text(max_size=20), message=texts),
    st.builds(Removed, reason=st.text(max_size=20)),
    st.builds(Heard, identity=identities, pcm=pcm),
)
client_messages = st.one_of(
    st.builds(Listen, identity=identities, is_on=st.booleans()),
    st.builds(Mix, rate=st.none() | st.sampled_from(RATES)),
    st.builds(Flush),
    st.builds(Mute, is_muted=st.booleans()),
    st.builds(
        SendData, payload=st.binary(max_size=200), topic=texts, is_reliable=st.booleans(), to=st.lists(identities)
    ),
    st.builds(SendText, text=texts, topic=texts, to=st.lists(identities)),
    st.builds(SendDigits, digits=digits),
    st.builds(
        Transcribe, segment=st.text(min_size=1, max_size=20), text=texts, speaker=identities, is_final=st.booleans()
    ),
    st.builds(SetAttributes, attributes=attributes),
    st.builds(SetMetadata, metadata=texts),
    st.builds(Leave),
    st.builds(Speech, pcm=pcm, rate=st.sampled_from(RATES)),
)


@given(server_messages)
def test_the_member_reads_what_the_relay_wrote(message):
    assert decode_server(encode(message)) == message


@given(client_messages)
def test_the_relay_reads_what_a_member_wrote(message):
    assert decode_client(encode(message)) == message


@pytest.mark.parametrize("decode", [decode_client, decode_server])
@given(garbage=st.one_of(st.binary(max_size=300), st.text(max_size=300)))
def test_garbage_is_refused_and_never_fails_otherwise(decode, garbage):
    with suppress(PeerError):
        decode(garbage)


@pytest.mark.parametrize("decode", [decode_client, decode_server])
@given(message=st.one_of(server_messages, client_messages).map(encode), cut=st.integers(0, 400))
def test_a_message_that_was_cut_off_is_refused_or_shorter(decode, message, cut):
    with suppress(PeerError):
        decode(message[:cut])


@pytest.mark.parametrize("decode", [decode_client, decode_server])
def test_types_and_fields_of_a_newer_side_are_ignored(decode):
    assert decode(json.dumps({"type": "hologram", "depth": 3})) is None
    assert decode(b"\x07later") is None
    assert decode_server(json.dumps({"type": "member_left", "identity": "bob", "mood": "fine"})) == MemberLeft("bob")
    assert decode_client(json.dumps({"type": "leave", "mood": "fine"})) == Leave()


@pytest.mark.parametrize("decode", [decode_client, decode_server])
def test_messages_over_the_limits_are_refused_before_they_are_read(decode):
    for message in ("{" + " " * MAX_MESSAGE_BYTES, b"\x01" + bytes(MAX_AUDIO_BYTES + 2_000)):
        with pytest.raises(PeerError) as refused:
            decode(message)
        assert refused.value.code == "message_too_large"


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"", "empty"),
        (b"\x01\x40\x1f\x00", "head"),
        (b"\x01\x40\x1f\x00\x00\x00", "sample"),
        (b"\x01\x01\x00\x00\x00\x00\x00", "1 Hz"),
        ('{"type":"mix","rate":11025}', "rate"),
        ('{"type":"send_digits","digits":"12x"}', "digits"),
        ('{"type":"transcribe","segment":"","text":"","speaker":""}', "segment"),
        (json.dumps({"type": "send_text", "text": "x" * (MAX_PAYLOAD_BYTES + 1)}), "text"),
        ('["leave"]', "object"),
    ],
)
def test_what_a_member_may_not_say_is_refused_by_name(message, says):
    with pytest.raises(PeerError, match=says):
        decode_client(message)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"\x01\x05", "head"),
        (b"\x01\x05\x00bob", "identity"),
        (b"\x01\x02\x00\xff\xfe", "UTF-8"),
        (b"\x01\x01\x00b\x00", "sample"),
        ('{"type":"speakers_changed","speakers":[{"identity":"a","level":7}]}', "level"),
    ],
)
def test_what_a_relay_may_not_say_is_refused_by_name(message, says):
    with pytest.raises(PeerError, match=says):
        decode_server(message)
