import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.webrtc.offers import AUDIO, CHANNEL, PIPECAT, TRANSPORT, VIDEO, offer
from vox.errors import PeerError
from vox.media.webrtc.sdp import MAX_BYTES, MAX_CANDIDATES, is_useful_candidate, opus_type, read_offer

ANSWER = "\r\n".join(
    [
        "v=0",
        "o=- 3 4 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 3",
        "m=audio 40000 UDP/TLS/RTP/SAVPF 111",
        "a=mid:0",
        "a=sendrecv",
        "a=candidate:9 1 udp 2130706431 10.0.0.1 40000 typ host",
        "a=ice-ufrag:ours",
        "a=ice-pwd:" + "y" * 22,
        "m=application 40000 UDP/DTLS/SCTP webrtc-datachannel",
        "a=mid:3",
        "a=sctp-port:5000",
        "a=max-message-size:262144",
        "a=ice-ufrag:ours",
        "",
    ]
)


def sections(sdp: str) -> list[list[str]]:
    found: list[list[str]] = []
    for line in sdp.split("\r\n"):
        if line.startswith("m="):
            found.append([])
        if found and line:
            found[-1].append(line)
    return found


def without(section: tuple[str, ...], start: str) -> tuple[str, ...]:
    return tuple(line for line in section if not line.startswith(start))


def replaced(section: tuple[str, ...], start: str, line: str) -> tuple[str, ...]:
    return tuple(line if each.startswith(start) else each for each in section)


class TestReduced:
    def test_the_library_sees_opus_and_the_data_channel_and_nothing_else(self):
        reduced = read_offer(PIPECAT).reduced()
        audio, channel = sections(reduced)
        assert audio[0] == "m=audio 9 UDP/TLS/RTP/SAVPF 111"
        assert channel[0] == "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
        assert "a=group:BUNDLE 0 3" in reduced
        assert not any(word in reduced for word in ("extmap", "video", "G722", "red/", ".local", "tcptype"))
        assert [line for line in audio if "candidate" in line] == [
            "a=candidate:1 1 udp 2122260223 192.168.0.7 50000 typ host generation 0 network-id 1"
        ]

    @pytest.mark.parametrize("direction", ["sendrecv", "sendonly", "recvonly", "inactive"])
    def test_a_client_without_a_microphone_keeps_its_direction(self, direction: str):
        audio = replaced(AUDIO, "a=sendrecv", f"a={direction}")
        assert f"a={direction}" in sections(read_offer(offer(audio, bundle="0")).reduced())[0]

    def test_what_stands_for_the_whole_session_holds_for_each_section(self):
        bare = tuple(line for line in AUDIO if not line.startswith(tuple(f"a={one[:6]}" for one in TRANSPORT)))
        text = offer(bare, bundle="", head=tuple(f"a={one}" for one in TRANSPORT))
        read = read_offer(text)
        assert read.ice_identity == ("abcd", "x" * 24)
        assert "a=setup:actpass" in read.reduced()
        assert "BUNDLE" not in read.reduced()

    def test_a_data_channel_alone_is_an_offer(self):
        assert len(sections(read_offer(offer(CHANNEL, bundle="3")).reduced())) == 1

    def test_candidates_are_bounded(self):
        more = tuple(f"a=candidate:{at} 1 udp 1 10.0.0.1 {1000 + at} typ host" for at in range(200))
        reduced = read_offer(offer((*AUDIO, *more), bundle="0")).reduced()
        assert reduced.count("a=candidate:") == MAX_CANDIDATES

    def test_plain_line_ends_will_do(self):
        assert read_offer(PIPECAT.replace("\r\n", "\n")).reduced() == read_offer(PIPECAT).reduced()

    def test_other_password_other_identity(self):
        assert read_offer(PIPECAT).ice_identity != read_offer(PIPECAT.replace("ufrag:abcd", "ufrag:efgh")).ice_identity


class TestAnswer:
    def test_every_section_has_its_place(self):
        answer = read_offer(PIPECAT).answer(ANSWER)
        found = sections(answer)
        assert [section[0].split()[0] for section in found] == ["m=audio", "m=video", "m=video", "m=application"]
        assert [line for section in found for line in section if line.startswith("a=mid:")] == [
            f"a=mid:{at}" for at in range(4)
        ]
        assert "a=group:BUNDLE 0 1 2 3" in answer

    def test_video_is_inactive_and_shares_the_transport(self):
        video = sections(read_offer(PIPECAT).answer(ANSWER))[1]
        assert video[0] == "m=video 9 UDP/TLS/RTP/SAVPF 96"
        for line in ("a=inactive", "a=rtpmap:96 AV1/90000", "a=fmtp:96 profile=0", "a=ice-ufrag:ours"):
            assert line in video
        assert not any("candidate" in line for line in video), "they stand in the first section of the bundle"

    def test_the_first_section_of_the_bundle_has_the_candidates(self):
        text = offer(VIDEO, AUDIO, bundle="1 0")
        reduced = "\r\n".join(line for line in ANSWER.split("m=application")[0].split("\r\n"))
        assert any("candidate" in line for line in sections(read_offer(text).answer(reduced))[0])

    def test_what_is_not_in_the_bundle_is_refused(self):
        other = ("m=message 2855 TCP/MSRP x",)
        found = sections(read_offer(offer(AUDIO, other, VIDEO, CHANNEL, bundle="0 3")).answer(ANSWER))
        assert found[1] == ["m=message 0 TCP/MSRP x", "c=IN IP4 0.0.0.0", "a=inactive"]
        assert found[2][0] == "m=video 0 UDP/TLS/RTP/SAVPF 96"
        assert "a=mid:1" in found[2]

    def test_a_section_that_is_closed_stays_closed(self):
        closed = replaced(VIDEO, "m=video", "m=video 0 UDP/TLS/RTP/SAVPF 96")
        found = sections(read_offer(offer(AUDIO, closed, CHANNEL, bundle="0 1 3")).answer(ANSWER))
        assert found[1][0].startswith("m=video 0 ")

    def test_without_a_bundle_there_is_none(self):
        answer = read_offer(offer(AUDIO, CHANNEL, bundle="")).answer(ANSWER)
        assert "BUNDLE" not in answer

    def test_messages_are_as_long_as_they_are_taken(self):
        assert "a=max-message-size:65536" in read_offer(PIPECAT).answer(ANSWER)


BROKEN = {
    "empty": "",
    "no SDP": "hello",
    "no sections": offer(),
    "too long": PIPECAT + "a=x\r\n" * MAX_BYTES,
    "too many sections": offer(*[VIDEO] * 17),
    "a line without =": PIPECAT.replace("a=rtcp-mux", "rtcp-mux"),
    "control characters": PIPECAT.replace("a=rtcp-mux", "a=rtcp\x00mux"),
    "half an m= line": offer(("m=audio 9",)),
    "a port that is none": offer(("m=audio x UDP/TLS/RTP/SAVPF 111",)),
    "a port beyond": offer(replaced(AUDIO, "m=audio", "m=audio 99999 UDP/TLS/RTP/SAVPF 111"), bundle="0"),
    "two of one mid": offer(AUDIO, replaced(VIDEO, "a=mid", "a=mid:0"), bundle="0"),
    "an unknown mid": offer(AUDIO, bundle="0 7"),
    "a mid twice": offer(AUDIO, bundle="0 0"),
    "a mid that is no token": offer(replaced(AUDIO, "a=mid", "a=mid:\u20ac x"), bundle=""),
    "no mid": offer(without(AUDIO, "a=mid"), bundle=""),
    "video only": offer(VIDEO, bundle="1"),
    "no Opus": offer(without(AUDIO, "a=rtpmap:111"), bundle="0"),
    "Opus of no payload type": offer(replaced(AUDIO, "m=audio", "m=audio 9 UDP/TLS/RTP/SAVPF 0"), bundle="0"),
    "plain RTP": offer(replaced(AUDIO, "m=audio", "m=audio 9 RTP/AVP 111"), bundle="0"),
    "no fragment": offer(without(AUDIO, "a=ice-ufrag"), bundle="0"),
    "a fragment of other letters": offer(replaced(AUDIO, "a=ice-ufrag", "a=ice-ufrag:a b:c"), bundle="0"),
    "no password": offer(without(AUDIO, "a=ice-pwd"), bundle="0"),
    "no fingerprint": offer(without(AUDIO, "a=fingerprint"), bundle="0"),
    "a weak fingerprint": offer(replaced(AUDIO, "a=fingerprint", "a=fingerprint:md5 AB:CD"), bundle="0"),
    "no setup": offer(without(AUDIO, "a=setup"), bundle="0"),
    "held": offer(replaced(AUDIO, "a=setup", "a=setup:holdconn"), bundle="0"),
    "no port of SCTP": offer(without(CHANNEL, "a=sctp-port"), bundle="3"),
    "no data channel": offer(replaced(CHANNEL, "m=", "m=application 9 TCP/BFCP *"), bundle="3"),
    "a size that is none": offer(replaced(CHANNEL, "a=max", "a=max-message-size:big"), bundle="3"),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_answered_is_refused_with_a_reason(text: str):
    with pytest.raises(PeerError) as refused:
        read_offer(text)
    assert refused.value.code == "offer_invalid"
    assert str(refused.value).startswith("The offer cannot be answered: ")


@given(st.text(max_size=400))
def test_garbage_is_refused(text: str):
    with pytest.raises(PeerError):
        read_offer(text)


@given(
    st.lists(st.sampled_from([*PIPECAT.split("\r\n"), "m=audio 9 X/Y 1", "a=mid:", "a=", "a=candidate:"]), max_size=60)
)
def test_lines_in_any_order_are_read_or_refused(lines: list[str]):
    try:
        read = read_offer("\r\n".join(["v=0", *lines]))
    except PeerError:
        return
    assert read.reduced().startswith("v=0")


def test_the_payload_type_of_opus_is_found_whatever_its_case():
    read = read_offer(offer(replaced(AUDIO, "a=rtpmap:111", "a=rtpmap:111 OPUS/48000/2"), bundle="0"))
    assert opus_type(read.sections[0]) == 111


@pytest.mark.parametrize(
    ("candidate", "is_useful"),
    [
        ("candidate:1 1 udp 2122260223 192.168.0.7 50000 typ host", True),
        ("candidate:1/x 1 UDP 1 203.0.113.5 50000 typ srflx raddr 10.0.0.1 rport 9 generation 0", True),
        ("candidate:1 1 udp 1 2001:db8::1 50000 typ relay raddr :: rport 0", True),
        ("candidate:1 1 udp 1 127.0.0.1 50000 typ host", True),
        ("candidate:1 1 udp 1 fe80::1 50000 typ host", True),
        ("", False),
        ("candidate:1 1 udp 1 192.168.0.7 50000 typ", False),
        ("candidate:(1) 1 udp 1 192.168.0.7 50000 typ host", False),
        ("candidate:1 2 udp 1 192.168.0.7 50000 typ host", False),
        ("candidate:1 1 tcp 1 192.168.0.7 9 typ host tcptype active", False),
        ("candidate:1 1 udp 99999999999 192.168.0.7 50000 typ host", False),
        ("candidate:1 1 udp 1 192.168.0.7 0 typ host", False),
        ("candidate:1 1 udp 1 192.168.0.7 70000 typ host", False),
        ("candidate:1 1 udp 1 192.168.0.7 50000 type host", False),
        ("candidate:1 1 udp 1 192.168.0.7 50000 typ prflx", False),
        ("candidate:1 1 udp 1 name.local 50000 typ host", False),
        ("candidate:1 1 udp 1 169.254.169.254 80 typ host", False),
        ("candidate:1 1 udp 1 0.0.0.0 80 typ host", False),
        ("candidate:1 1 udp 1 224.0.0.1 80 typ host", False),
        ("candidate:1 1 udp 1 240.0.0.1 80 typ host", False),
        ("candidate:1 1 udp 1 255.255.255.255 80 typ host", False),
        ("candidate:1 1 udp 1 ::ffff:169.254.169.254 80 typ host", False),
        ("candidate:1 1 udp 1 fe80::1%eth0 80 typ host", False),
        ("candidate:1 1 udp 1 192.168.0.7 50000 typ host raddr nowhere rport 0", False),
        ("candidate:1 1 udp 1 192.168.0.7 50000 typ host rport x", False),
        ("candidate:1 1 udp 1 192.168.0.7 50000 typ host generation", False),
        ("candidate:1 1 udp 1 192.168.0.7 50000 typ host tcptype active", False),
    ],
)
def test_which_candidates_are_worth_a_check(candidate: str, is_useful: bool):
    assert is_useful_candidate(candidate) is is_useful
