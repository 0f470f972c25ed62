"""Data packets as voices write and read them: text streams, transcriptions and telephone digits. Pure."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from livekit.protocol import models

from vox.protocols.relay_voices import MAX_PAYLOAD_BYTES, TRANSCRIPTION_TOPIC, TextReceived, Transcribe

CHUNK_BYTES: Final = 15_000
MOST_STREAMS: Final = 64
"""Text streams that one listener puts together at a time; beyond it the oldest is dropped."""
_DTMF_CODES: Final = {digit: code for code, digit in enumerate("0123456789*#ABCD")}


def text_stream(
    stream_id: str,
    text: str,
    *,
    topic: str,
    now_ms: int,
    to: Sequence[str] = (),
    speaker: str = "",
    attributes: dict[str, str] | None = None,
) -> Iterator[models.DataPacket]:
    """A whole text as the packets of one stream."""
    data = text.encode()
    header = models.DataStream.Header(
        stream_id=stream_id,
        timestamp=now_ms,
        topic=topic,
        mime_type="text/plain",
        total_length=len(data),
        attributes=attributes or {},
        text_header=models.DataStream.TextHeader(operation_type=models.DataStream.CREATE),
    )
    yield models.DataPacket(stream_header=header, destination_identities=to, participant_identity=speaker)
    for index, content in enumerate(_chunks(data)):
        chunk = models.DataStream.Chunk(stream_id=stream_id, chunk_index=index, content=content)
        yield models.DataPacket(stream_chunk=chunk, destination_identities=to, participant_identity=speaker)
    trailer = models.DataStream.Trailer(stream_id=stream_id)
    yield models.DataPacket(stream_trailer=trailer, destination_identities=to, participant_identity=speaker)


def transcription(stream_id: str, said: Transcribe, now_ms: int) -> Iterator[models.DataPacket]:
    """What was said so far, as a text stream and as the older packet."""
    attributes = {"lk.segment_id": said.segment, "lk.transcription_final": "true" if said.is_final else "false"}
    if said.track:
        attributes["lk.transcribed_track_id"] = said.track
    if said.language:
        attributes["lk.language"] = said.language
    yield from text_stream(
        stream_id, said.text, topic=TRANSCRIPTION_TOPIC, now_ms=now_ms, speaker=said.speaker, attributes=attributes
    )
    segment = models.TranscriptionSegment(id=said.segment, text=said.text, final=said.is_final, language=said.language)
    yield models.DataPacket(
        transcription=models.Transcription(
            transcribed_participant_identity=said.speaker, track_id=said.track, segments=[segment]
        )
    )


def digit(key: str) -> models.DataPacket:
    """One telephone key."""
    return models.DataPacket(sip_dtmf=models.SipDTMF(code=_DTMF_CODES[key], digit=key))


@dataclass(slots=True)
class _Text:
    topic: str
    sender: str
    data: bytearray = field(default_factory=bytearray)


class TextStreams:
    """Puts the text streams of others together; what is too long or compressed to no end is left out."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], _Text] = {}

    def take(self, packet: models.DataPacket) -> TextReceived | None:
        """One packet of a stream; the text once it is whole."""
        sender = packet.participant_identity
        match packet.WhichOneof("value"):
            case "stream_header":
                return self._begin(sender, packet.stream_header)
            case "stream_chunk":
                text = self._texts.get((sender, packet.stream_chunk.stream_id))
                if text is not None:
                    text.data += packet.stream_chunk.content
                    if len(text.data) > MAX_PAYLOAD_BYTES:
                        del self._texts[sender, packet.stream_chunk.stream_id]
            case "stream_trailer":
                text = self._texts.pop((sender, packet.stream_trailer.stream_id), None)
                return _whole(text) if text is not None else None
            case _:
                pass
        return None

    def _begin(self, sender: str, header: models.DataStream.Header) -> TextReceived | None:
        if header.WhichOneof("content_header") != "text_header":
            return None
        text = _Text(header.topic[:256], sender)
        if header.HasField("inline_content"):
            data = header.inline_content
            if header.compression == models.DataStream.DEFLATE_RAW:
                data = _inflated(data)
            if data is None or len(data) > MAX_PAYLOAD_BYTES:
                return None
            text.data += data
            return _whole(text)
        if header.compression != models.DataStream.NONE or header.total_length > MAX_PAYLOAD_BYTES:
            return None
        while len(self._texts) >= MOST_STREAMS:
            del self._texts[next(iter(self._texts))]
        self._texts[sender, header.stream_id] = text
        return None


def _whole(text: _Text) -> TextReceived:
    return TextReceived(text.data.decode(errors="replace"), text.topic, text.sender)


def _inflated(data: bytes) -> bytes | None:
    unzip = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = unzip.decompress(data, MAX_PAYLOAD_BYTES)
    except zlib.error:
        return None
    return plain if unzip.eof and not unzip.unconsumed_tail else None


def _chunks(data: bytes) -> Iterator[bytes]:
    """Pieces that end between characters."""
    start = 0
    while start < len(data):
        end = min(start + CHUNK_BYTES, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # noqa: PLR2004  a byte that continues a character
            end -= 1
        yield data[start:end]
        start = end
