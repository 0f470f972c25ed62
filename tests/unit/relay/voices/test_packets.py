import zlib

import pytest
from livekit.protocol import models

from vox.protocols.relay_voices import MAX_PAYLOAD_BYTES, TextReceived
from vox.relay.voices.packets import MOST_STREAMS, TextStreams, text_stream

HEADER = models.DataStream.Header
TEXT = models.DataStream.TextHeader()


def stamped(packet: models.DataPacket, sender: str = "ann") -> models.DataPacket:
    packet.participant_identity = sender
    return packet


@pytest.mark.parametrize("text", ["", "short", "ü" * 20_000, "😀" * 10_000])
def test_texts_survive_their_stream(text):
    streams = TextStreams()
    found = [streams.take(stamped(one)) for one in text_stream("s", text, topic="t", now_ms=5)]
    assert found[-1] == TextReceived(text, "t", "ann")
    assert found[:-1] == [None] * (len(found) - 1)


def test_streams_of_two_senders_do_not_mix():
    streams = TextStreams()
    ann = list(text_stream("s", "from ann", topic="t", now_ms=5))
    bob = list(text_stream("s", "from bob", topic="t", now_ms=5))
    found = []
    for one, other in zip(ann, bob, strict=True):
        found += [streams.take(stamped(one)), streams.take(stamped(other, "bob"))]
    assert [one.text for one in found if one is not None] == ["from ann", "from bob"]


def test_a_text_within_its_header():
    streams = TextStreams()
    plain = models.DataPacket(stream_header=HEADER(stream_id="s", topic="t", text_header=TEXT, inline_content=b"hi"))
    assert streams.take(stamped(plain)) == TextReceived("hi", "t", "ann")
    press = zlib.compressobj(wbits=-15)
    packed = press.compress(b"hi " * 1_000) + press.flush()
    header = HEADER(stream_id="s", text_header=TEXT, inline_content=packed, compression=models.DataStream.DEFLATE_RAW)
    assert streams.take(stamped(models.DataPacket(stream_header=header))) == TextReceived("hi " * 1_000, "", "ann")


def test_bombs_giants_and_files_are_left_out():
    streams = TextStreams()
    press = zlib.compressobj(wbits=-15)
    bomb = press.compress(bytes(10_000_000)) + press.flush()
    for header in (
        HEADER(stream_id="s", text_header=TEXT, inline_content=bomb, compression=models.DataStream.DEFLATE_RAW),
        HEADER(stream_id="s", text_header=TEXT, inline_content=b"\xff", compression=models.DataStream.DEFLATE_RAW),
        HEADER(stream_id="s", text_header=TEXT, total_length=MAX_PAYLOAD_BYTES + 1),
        HEADER(stream_id="s", byte_header=models.DataStream.ByteHeader(name="file")),
    ):
        assert streams.take(stamped(models.DataPacket(stream_header=header))) is None
        assert streams.take(stamped(models.DataPacket(stream_trailer=models.DataStream.Trailer(stream_id="s")))) is None
    streams.take(stamped(models.DataPacket(stream_header=HEADER(stream_id="s", text_header=TEXT))))
    chunk = models.DataStream.Chunk(stream_id="s", content=bytes(15_000))
    for _ in range(10):
        streams.take(stamped(models.DataPacket(stream_chunk=chunk)))
    assert streams.take(stamped(models.DataPacket(stream_trailer=models.DataStream.Trailer(stream_id="s")))) is None


def test_streams_that_never_end_are_bounded():
    streams = TextStreams()
    for number in range(1_000):
        streams.take(stamped(models.DataPacket(stream_header=HEADER(stream_id=str(number), text_header=TEXT))))
    assert len(streams._texts) == MOST_STREAMS
