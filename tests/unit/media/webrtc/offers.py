"""Offers of a browser, in parts that tests can leave out or replace."""

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
TRANSPORT = (
    "ice-ufrag:abcd",
    "ice-pwd:" + "x" * 24,
    "ice-options:trickle",
    f"fingerprint:{FINGERPRINT}",
    "setup:actpass",
)
AUDIO = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 110",
    "c=IN IP4 0.0.0.0",
    "a=rtcp:9 IN IP4 0.0.0.0",
    *(f"a={one}" for one in TRANSPORT),
    "a=mid:0",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:63 red/48000/2",
    "a=rtpmap:9 G722/8000",
    "a=candidate:1 1 udp 2122260223 192.168.0.7 50000 typ host generation 0 network-id 1",
    "a=candidate:2 1 tcp 1518280447 192.168.0.7 9 typ host tcptype active",
    "a=candidate:3 1 udp 2122260223 1b5b8c0e-4b6b-4b1a-9e0e-2f6a4f4d6f5e.local 50001 typ host",
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
    "c=IN IP4 0.0.0.0",
    *(f"a={one}" for one in TRANSPORT),
    "a=mid:1",
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtpmap:96 AV1/90000",
    "a=fmtp:96 profile=0",
    "a=rtpmap:97 rtx/90000",
)
SCREEN = tuple(line.replace("a=mid:1", "a=mid:2").replace("sendrecv", "sendonly") for line in VIDEO)
CHANNEL = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    *(f"a={one}" for one in TRANSPORT),
    "a=mid:3",
    "a=sctp-port:5000",
    "a=max-message-size:262144",
)


def offer(*sections: tuple[str, ...], bundle: str = "0 1 2 3", head: tuple[str, ...] = ()) -> str:
    """An offer with these sections."""
    group = (f"a=group:BUNDLE {bundle}",) if bundle else ()
    lines = ("v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", *group, "a=msid-semantic: WMS", *head)
    return "\r\n".join([*lines, *(line for section in sections for line in section), ""])


PIPECAT = offer(AUDIO, VIDEO, SCREEN, CHANNEL)
