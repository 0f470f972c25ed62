"""Messages of the signalling protocol on their way out, and where they go."""

from typing import Protocol

from livekit.protocol import models, rtc


class Outgoing:
    """One message for any number of receivers; it is encoded once.

    Args:
        message: must not change any more.
    """

    __slots__ = ("_encoded", "message")

    def __init__(self, message: rtc.SignalResponse) -> None:
        self.message = message
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The message as it stands on the wire."""
        if self._encoded is None:
            self._encoded = self.message.SerializeToString()
        return self._encoded


class Outbox(Protocol):
    """Where a participant's messages go: a socket, or a voice in this process. Nothing here blocks or raises."""

    def send(self, message: Outgoing) -> None:
        """Sends, or drops where the receiver is gone."""
        ...

    def data(self, packet: models.DataPacket) -> None:
        """A data packet for a participant without a peer connection."""
        ...

    def end(self, leave: rtc.LeaveRequest | None) -> None:
        """The last call: says why, where there is a message, and closes."""
        ...


def update(*participants: models.ParticipantInfo) -> Outgoing:
    """Tells of participants as they are now."""
    return Outgoing(rtc.SignalResponse(update=rtc.ParticipantUpdate(participants=participants)))


def leave_request(
    reason: "models.DisconnectReason",
    action: "rtc.LeaveRequest.Action" = rtc.LeaveRequest.DISCONNECT,
    regions: "tuple[rtc.RegionInfo, ...]" = (),
) -> rtc.LeaveRequest:
    """Says why a session ends, and what the client should do about it; older clients read `can_reconnect`."""
    request = rtc.LeaveRequest(reason=reason, action=action, can_reconnect=action != rtc.LeaveRequest.DISCONNECT)
    if regions:
        request.regions.regions.extend(regions)
    return request
