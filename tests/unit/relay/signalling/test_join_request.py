from base64 import b64encode, urlsafe_b64encode
from gzip import compress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol import models, rtc

from vox.errors import UsageError
from vox.relay.signalling.candidates import candidate_of
from vox.relay.signalling.join_request import arrival_v0, arrival_v1


def packed(request: rtc.JoinRequest, *, gzip: bool = True) -> bytes:
    data = request.SerializeToString()
    compression = rtc.WrappedJoinRequest.GZIP if gzip else rtc.WrappedJoinRequest.NONE
    wrapped = rtc.WrappedJoinRequest(join_request=compress(data) if gzip else data, compression=compression)
    return wrapped.SerializeToString()


def test_the_older_protocols_parameters():
    query = {"sdk": "js", "version": "2.1", "protocol": "16", "auto_subscribe": "0", "reconnect": "1", "sid": "PA_1"}
    arrival = arrival_v0(query, [rtc.ICEServer(urls=["stun:x"])])
    client = arrival.settings.client
    assert (client.sdk, client.version, client.protocol) == (models.ClientInfo.JS, "2.1", 16)
    assert (arrival.is_resume, arrival.sid, arrival.settings.auto_subscribe) == (True, "PA_1", False)
    assert arrival.settings.ice_servers[0].urls == ["stun:x"]


def test_what_is_missing_has_its_usual_value():
    arrival = arrival_v0({"protocol": "-1", "sdk": "unknown", "auto_subscribe": "true"}, ())
    assert (arrival.settings.auto_subscribe, arrival.is_resume, arrival.settings.is_single) == (True, False, False)
    assert arrival.settings.client.protocol == 0


@pytest.mark.parametrize("gzip", [True, False])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_the_newer_protocols_request(gzip, encode):
    request = rtc.JoinRequest(
        connection_settings=rtc.ConnectionSettings(auto_subscribe=True),
        participant_attributes={"a": "b"},
        add_track_requests=[rtc.AddTrackRequest(cid="mic")],
        publisher_offer=rtc.SessionDescription(type="offer", sdp="v=0", id=1),
    )
    arrival = arrival_v1(encode(packed(request, gzip=gzip)).decode(), ())
    assert (arrival.settings.is_single, arrival.settings.auto_subscribe) == (True, True)
    assert arrival.settings.attributes == {"a": "b"}
    assert [one.cid for one in arrival.tracks] == ["mic"]
    assert arrival.offer is not None
    assert arrival.offer.sdp == "v=0"
    assert arrival.sync is None


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: packed(rtc.JoinRequest(metadata=repr(data)))))
def test_any_bytes_are_a_request_or_refused_by_name(data):
    try:
        arrival_v1(b64encode(data).decode(), ())
    except UsageError as error:
        assert error.code == "join_request_invalid"  # noqa: PT017  whether it is refused depends on the bytes


@pytest.mark.parametrize(
    ("text", "candidate"),
    [
        (
            '{"candidate":"candidate:1 1 udp 1 10.0.0.1 9 typ host","sdpMid":"0"}',
            "candidate:1 1 udp 1 10.0.0.1 9 typ host",
        ),
        ('{"candidate":""}', ""),
        ("{}", ""),
        ("", None),
        ("[]", None),
        ('{"candidate":5}', None),
        ('{"candidate":"' + "x" * 3_000 + '"}', None),
    ],
)
def test_candidates(text, candidate):
    assert candidate_of(text) == candidate
