"""One signalling socket: it brings a participant in, serves what they ask, and lets them resume on another socket.

The participant outlives the socket for a while. What breaks the protocol or comes too fast ends the session with a reason by name;
a client that does not read is closed by the socket's own bound.
"""

from typing import Final

from google.protobuf.message import DecodeError
from livekit.protocol import models, rtc

from vox.errors import PeerError, UsageError, VoxError
from vox.http.sockets import Socket
from vox.relay.rooms import membership
from vox.relay.rooms.flood import Allowance
from vox.relay.rooms.messages import Outgoing, leave_request
from vox.relay.rooms.participant import Participant
from vox.relay.rooms.registry import Rooms
from vox.relay.rooms.room import Room
from vox.relay.signalling.join_request import Arrival
from vox.relay.signalling.requests import Requests
from vox.runtime.logging import get_logger
from vox.security.room_tokens import RoomClaims

MAX_MESSAGE_BYTES: Final = 1 << 20
MAX_BACKLOG_BYTES: Final = 4 << 20
_BROKEN: Final = 1008
_MESSAGES: Final = (200.0, 2_000)
"""A second, and at once: who enters a big room sets up each track by a message."""
_OFFERS: Final = (5.0, 120)
_GO_HOLD_S: Final = 0.1
"""How long a Go client that offers while it joins needs after `join` until it can take the answer."""

_log = get_logger(__name__)


class Session:
    """A socket's listener and a participant's outbox.

    Args:
        rooms: where to join.
        claims: of the checked token.
        arrival: what the client said when it connected.
    """

    def __init__(self, rooms: Rooms, claims: RoomClaims, arrival: Arrival) -> None:
        self._rooms = rooms
        self._claims = claims
        self._arrival = arrival
        self._socket: Socket | None = None
        self._held: list[Outgoing] | None = None
        self._room: Room | None = None
        self._participant: Participant | None = None
        self._requests: Requests | None = None
        now = rooms.context.clock.now()
        self._messages = Allowance(*_MESSAGES, now)
        self._offers = Allowance(*_OFFERS, now)

    @property
    def is_open(self) -> bool:
        """Whether messages still go out."""
        return self._socket is not None and self._socket.is_open

    def opened(self, socket: Socket) -> None:
        """Joins or resumes; the first message out is `join`, `reconnect` or `leave`."""
        self._socket = socket
        arrival = self._arrival
        try:
            if arrival.is_resume:
                found = self._rooms.resume(self._claims, arrival.sid, arrival.settings, self)
            else:
                found = self._rooms.join(self._claims, arrival.settings, self)
        except VoxError as error:
            self._refuse_entry(error)
            return
        self._room, self._participant = found
        self._requests = requests = Requests(*found)
        if self._participant.drops_next_resume and arrival.is_resume:
            self._participant.drops_next_resume = False
            socket.close(1000)
            return
        if arrival.offer is not None and arrival.settings.client.sdk == models.ClientInfo.GO:
            self._held = []
            self._rooms.context.later(_GO_HOLD_S, self._release)
        try:
            for track in arrival.tracks:
                requests.add_track(track)
            if arrival.sync is not None:
                requests.sync_state(arrival.sync)
            if arrival.offer is not None:
                requests.offer(arrival.offer)
        except PeerError as error:
            self._break(error)

    def received(self, message: str | bytes) -> None:
        """Serves one request."""
        if self._requests is None:
            return
        try:
            self._requests.take(self._checked(message))
        except PeerError as error:
            self._break(error)

    def closed(self, code: int, reason: str) -> None:
        """The socket is gone; the participant stays for a while."""
        del reason
        if self._participant is not None:
            if self._participant.outbox is self and code == _TOO_SLOW:
                self._rooms.context.refused("client_too_slow")
                _log.info("signalling client does not read", participant=self._participant.sid)
            membership.detach(self._participant, self, self._rooms.context.clock.now())
        self._socket = None

    def send(self, message: Outgoing) -> None:
        """Sends, or drops where the socket is gone."""
        if self._held is not None:
            self._held.append(message)
        elif self._socket is not None:
            self._socket.send(message.encoded)

    def data(self, packet: models.DataPacket) -> None:
        """Never called: this participant has a peer connection, which data goes over."""

    def end(self, leave: rtc.LeaveRequest | None) -> None:
        """Says why and closes."""
        self._release()
        socket = self._socket
        if socket is None:
            return
        if leave is not None:
            socket.send(rtc.SignalResponse(leave=leave).SerializeToString())
        socket.close(1000)

    def _release(self) -> None:
        held, self._held = self._held, None
        for message in held or ():
            self.send(message)

    def _checked(self, message: str | bytes) -> rtc.SignalRequest:
        now = self._rooms.context.clock.now()
        if not self._messages.take(now):
            raise PeerError("messages come too fast", code="too_many_messages")
        if isinstance(message, str):
            raise PeerError("messages have to be binary", code="message_malformed")
        request = rtc.SignalRequest()
        try:
            request.ParseFromString(message)
        except DecodeError:
            raise PeerError("the message cannot be decoded", code="message_malformed") from None
        if request.WhichOneof("message") == "offer" and not self._offers.take(now):
            raise PeerError("offers come too fast", code="too_many_offers")
        return request

    def _refuse_entry(self, error: VoxError) -> None:
        """Says why there is no session; who meant to resume is asked to join afresh instead."""
        self._rooms.context.refused(error.code)
        if self._arrival.is_resume:
            self.end(leave_request(models.DisconnectReason.STATE_MISMATCH, rtc.LeaveRequest.RECONNECT))
            return
        is_usage = isinstance(error, UsageError)
        if not is_usage:
            _log.error("a participant could not join", code=error.code, error=str(error))
        if self._socket is not None:
            leave = leave_request(models.DisconnectReason.JOIN_FAILURE)
            self._socket.send(rtc.SignalResponse(leave=leave).SerializeToString())
            self._socket.close(_BROKEN, error.code)

    def _break(self, error: PeerError) -> None:
        """Ends a session whose client broke the protocol."""
        room, participant, socket = self._room, self._participant, self._socket
        self._rooms.context.refused(error.code)
        if room is None or participant is None or not participant.is_here:
            return
        _log.info("signalling session broken", participant=participant.sid, code=error.code, error=str(error))
        if socket is not None:
            leave = leave_request(models.DisconnectReason.STATE_MISMATCH)
            socket.send(rtc.SignalResponse(leave=leave).SerializeToString())
            socket.close(_BROKEN, error.code)
        membership.leave(room, participant, models.DisconnectReason.STATE_MISMATCH, is_asked=True)


_TOO_SLOW: Final = 1013
