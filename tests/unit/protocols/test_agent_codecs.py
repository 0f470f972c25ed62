"""Which wire format the query of a request asks for."""

import json

import pytest

from vox.protocols.agent_codecs import make_codec
from vox.protocols.agent_events import (
    SpeakingChanged,
)
from vox.protocols.agent_protobuf import (
    ProtobufCodec,
)


@pytest.mark.parametrize(
    ("query", "binary", "first"),
    [
        ({}, False, "UserStartedSpeakingFrame"),
        ({"rtvi": "1"}, False, "user-started-speaking"),
        ({"rtvi": "1", "format": "protobuf"}, False, "user-started-speaking"),
        ({"rtvi": "", "format": " PROTOBUF "}, True, ""),
    ],
)
def test_the_query_chooses_the_format(query, binary, first):
    chosen = make_codec(query, allow_context=False)
    sent = chosen.encode(SpeakingChanged("user", is_speaking=True))
    assert isinstance(chosen, ProtobufCodec) is binary
    if first:
        assert json.loads(sent[0])["type"] == first


@pytest.mark.parametrize("query", [{}, {"rtvi": "1"}])
def test_base64_audio_is_opt_in(query):
    silent = make_codec(query, allow_context=False).audio(b"\x01\x00", 24000)
    assert silent is None or "audio" not in json.loads(silent)["data"]
    audible = make_codec({**query, "audio": "base64"}, allow_context=False).audio(b"\x01\x00", 24000)
    assert audible is not None
    assert json.loads(audible)["data"]["audio"] == "AQA="
