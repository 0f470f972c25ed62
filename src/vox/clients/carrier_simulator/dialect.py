"""What one carrier says in its own words; the rest of the simulator is the same for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from vox.clients.carrier_simulator.call_events import DocumentSource, Notify
from vox.clients.carrier_simulator.documents import Stream, Verb
from vox.clients.carrier_simulator.record import CallOrder, CallRecord
from vox.clients.carrier_simulator.requests import OutgoingRequest
from vox.errors import UsageError
from vox.protocols.media_stream import CarrierCodec


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the REST API that is no success."""

    status: int
    body: Mapping[str, Any]


class RequestRefused(UsageError):  # noqa: N818  an answer to the client, not a failure of the server
    """The REST API refuses a request, in the carrier's words."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__("The request was refused.", code="simulator_request_refused")
        self.refusal = refusal


class Dialect(Protocol):
    """One carrier's words. Implementations are pure: time and ids come in as arguments."""

    carrier: ClassVar[str]

    def new_call_id(self, hex_digits: str) -> str:
        """The carrier's form of a call id, made of 32 hex digits."""
        ...

    def new_stream_id(self, hex_digits: str) -> str:
        """The carrier's form of a stream's id."""
        ...

    def inbound_order(self, *, to: str, from_: str, url: str) -> CallOrder:
        """An incoming call for a customer's webhook."""
        ...

    def notice(self, call: CallRecord, notify: Notify, now: datetime) -> OutgoingRequest | None:
        """The signed callback for a change; None where the caller did not ask for it."""
        ...

    def document_request(self, call: CallRecord, source: DocumentSource, now: datetime) -> OutgoingRequest:
        """The signed request for a call document."""
        ...

    def stream_request(self, stream: Stream, hex_digits: str) -> OutgoingRequest:
        """The upgrade of a media stream: its address as the carrier uses it, and signed as the carrier does."""
        ...

    def line(self, stream: Stream) -> CarrierCodec:
        """The carrier's side of a media stream."""
        ...

    def numbers_in_stream(self, call: CallRecord) -> tuple[str, str]:
        """Caller and callee as the stream names them; empty where it does not."""
        ...

    def read_document(self, source: DocumentSource, body: bytes) -> Sequence[Verb]:
        """The verbs of an answer to `document_request`.

        Raises:
            PeerError: it is none.
        """
        ...

    def is_authorised(self, authorization: str) -> bool:
        """Whether an API request's Authorization header is the account's."""
        ...

    def unauthorised(self) -> Refusal:
        """The answer to a request without the account's credentials."""
        ...

    def rate_limited(self) -> Refusal:
        """The answer to a request above the rate limit."""
        ...

    def server_error(self) -> Refusal:
        """The answer of a carrier that fails."""
        ...

    def not_found(self) -> Refusal:
        """The answer for an address or a call that does not exist."""
        ...
