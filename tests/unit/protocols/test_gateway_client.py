"""The client's half, and both halves together."""

import json

import pytest
import zstandard

from vox.errors import PeerError
from vox.protocols.gateway import HELLO, frame, numbered, tail
from vox.protocols.gateway_client import GatewayClient, Return
from vox.protocols.gateway_server import GatewayServer


def ready(seq=1):
    return numbered(seq, tail("ready", {"session_id": "sess_1"}))


def connected(**more):
    client = GatewayClient("token", **more)
    client.connected()
    client.receive(HELLO, 0)
    client.receive(ready(), 0)
    return client


def test_it_identifies_and_later_resumes():
    client = GatewayClient("token", capabilities=["string_ids"])
    client.connected()
    _, answers = client.receive(HELLO, 0)
    d = json.loads(answers[0])["d"]
    assert (d["token"], d["protocol_version"], d["capabilities"]) == ("token", 1, ["string_ids"])
    client.receive(ready(), 0)
    assert client.is_live
    client.receive(numbered(2, tail("e", {})), 0)
    assert client.closed(4000) is Return.RESUME
    client.connected()
    _, answers = client.receive(HELLO, 0)
    assert json.loads(answers[0]) == {"type": "resume", "d": {"token": "token", "session_id": "sess_1", "last_seq": 2}}
    client.receive(numbered(3, tail("e", {})), 0)
    client.receive(frame("resumed", {"seq": 3}), 0)
    assert client.is_live


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1006, "resume"), (4007, "resume"), (4008, "resume"), (4009, "identify"), (4010, "identify"), (4012, "later"),
     (4004, "never"), (4005, "never")],
)  # fmt: skip
def test_after_a_close(code, expected):
    assert connected().closed(code).value == expected


def test_numbers_must_follow():
    for seq in (1, 3):
        with pytest.raises(PeerError) as caught:
            connected().receive(numbered(seq, tail("e", {})), 0)
        assert caught.value.code == "sequence_broken"


def test_heartbeats_are_due_and_must_be_answered():
    client = connected()
    assert client.tick(44) is None
    assert json.loads(client.tick(45) or "") == {"type": "heartbeat", "d": {"seq": 1}}
    assert client.deadline == 90
    with pytest.raises(PeerError) as caught:
        client.tick(90)
    assert caught.value.code == "gateway_silent"
    client.receive(frame("heartbeat_ack"), 90)
    assert client.tick(91) is not None


def test_compressed_frames_are_bounded_and_checked():
    compress = zstandard.ZstdCompressor(level=3).compress
    client = GatewayClient("token", is_compressed=True)
    client.connected()
    assert client.receive(compress(HELLO), 0)[0].type == "hello"
    for bad in (b"nonsense", "text", compress(b"no json")):
        with pytest.raises(PeerError) as caught:
            client.receive(bad, 0)
        assert caught.value.code == "malformed_message"


def test_both_halves_understand_each_other():
    client, server = GatewayClient("token"), GatewayServer(0)
    client.connected()
    _, answers = client.receive(HELLO, 0)
    asked = server.receive(answers[0], 0)[0]
    assert asked.token == "token"  # pyright: ignore[reportAttributeAccessIssue]
    server.accepted(0)
    client.receive(ready(), 0)
    heartbeat = client.tick(45)
    assert heartbeat is not None
    assert server.receive(heartbeat, 45)[0].seq == 1  # pyright: ignore[reportAttributeAccessIssue]
