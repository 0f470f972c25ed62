import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.relay_client import sdp, section
from vox.relay.rooms.sdp_sections import media_sections

CHROME = """v=0
m=audio 9 UDP/TLS/RTP/SAVPF 63 111 110
a=mid:0
a=sendrecv
a=msid:stream-1 track-1
a=rtpmap:63 red/48000/2
a=rtpmap:111 opus/48000/2
a=rtpmap:110 telephone-event/48000
m=video 0 UDP/TLS/RTP/SAVPF 96 97
a=mid:1
a=bundle-only
a=sendonly
a=rtpmap:97 rtx/90000
a=rtpmap:96 VP8/90000
a=ssrc:5 cname:x
a=ssrc:5 msid:stream-2 track-2
m=video 0 UDP/TLS/RTP/SAVPF 96
a=mid:2
a=sendonly
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
a=mid:3
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_browsers_offer(end):
    audio, video, rejected = media_sections(CHROME.replace("\n", end))
    assert (audio.kind, audio.mid, audio.sends, audio.receives) == ("audio", "0", True, True)
    assert (audio.track_id, audio.codec) == ("track-1", "opus")
    assert (video.kind, video.sends, video.receives) == ("video", True, False)
    assert (video.track_id, video.codec) == ("track-2", "vp8")
    assert (rejected.mid, rejected.sends, rejected.receives) == ("2", False, False)


@pytest.mark.parametrize(
    ("direction", "ways"),
    [("sendonly", (True, False)), ("recvonly", (False, True)), ("inactive", (False, False)), ("x", (True, True))],
)
def test_which_way_a_section_flows(direction, ways):
    (found,) = media_sections(sdp(section("audio", 0, direction=direction)))
    assert (found.sends, found.receives) == ways


def test_a_section_without_a_name_is_left_out():
    assert media_sections("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendonly\r\n") == []
    assert media_sections("m=audio\r\na=mid:0\r\nm=\r\na=mid:1") == []


@given(
    st.text()
    | st.lists(st.sampled_from([*CHROME.splitlines(), "", "m=audio", "a=mid", "a=msid", "a=ssrc"])).map("\n".join)
)
def test_nothing_makes_it_fail(text):
    for one in media_sections(text):
        assert one.kind in {"audio", "video"}
        assert one.mid
