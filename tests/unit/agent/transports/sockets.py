"""A socket without a network, and what carriers say first."""

from vox.protocols.carriers.detect import carrier_for
from vox.protocols.media_stream import CarrierCodec, WireMessage


class FakeSocket:
    backlog_bytes = 0
    write_frames = None

    def __init__(self) -> None:
        self.sent: list[WireMessage] = []
        self.closed: tuple[int, str] | None = None
        self.is_reading = True

    @property
    def is_open(self) -> bool:
        return self.closed is None

    def send(self, message: WireMessage) -> None:
        if self.closed is None:
            self.sent.append(message)

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.closed is None:
            self.closed = (code, reason)


def opening(carrier: str) -> tuple[CarrierCodec, list[WireMessage]]:
    codec = carrier_for(carrier)()
    return codec, codec.open(call_id="CA1", stream_id="MZ1", caller="+15550100", callee="+15550199", parameters={})
