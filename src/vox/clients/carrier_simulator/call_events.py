"""The vocabulary of one simulated call: what was ordered, what happens to it, what follows; values only.

`call_machine.CallMachine` takes the events and returns the actions; `call.SimulatedCarrierCall` carries the actions out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from vox.clients.carrier_simulator.behaviour import StreamEnd
from vox.clients.carrier_simulator.documents import Stream, Verb


class CallStatus(StrEnum):
    """Where a call stands, in Twilio's words."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether the call is over."""
        return self not in {self.QUEUED, self.INITIATED, self.RINGING, self.IN_PROGRESS}


class Notice(StrEnum):
    """What a carrier reports about a call."""

    INITIATED = "initiated"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"
    DETECTED = "detected"
    GREETING_ENDED = "greeting_ended"
    STREAM_STARTED = "stream_started"
    STREAM_STOPPED = "stream_stopped"
    STREAM_FAILED = "stream_failed"
    SPEAK_STARTED = "speak_started"
    SPEAK_ENDED = "speak_ended"
    BRIDGED = "bridged"
    KEY_PRESSED = "key_pressed"


class Detection(StrEnum):
    """Answering machine detection that the caller asked for; `MESSAGE_END` waits for the end of a machine's greeting."""

    NONE = "none"
    BEFORE_DOCUMENT = "before_document"
    MESSAGE_END = "message_end"
    ALONGSIDE = "alongside"
    ALONGSIDE_MESSAGE_END = "alongside_message_end"

    @property
    def is_blocking(self) -> bool:
        """Whether the document waits for it."""
        return self in {self.BEFORE_DOCUMENT, self.MESSAGE_END}

    @property
    def waits_for_message_end(self) -> bool:
        """Whether a machine is reported only after its greeting."""
        return self in {self.MESSAGE_END, self.ALONGSIDE_MESSAGE_END}


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Where a call's document comes from: an address, or verbs that were given at once."""

    url: str = ""
    method: str = "POST"
    verbs: Sequence[Verb] | None = None
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    fallback_url: str = ""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What the caller ordered, as far as it decides how the call goes; without a document it waits for commands.

    Args:
        document: what runs once the call is answered.
        stream: the media stream that opens at the answer, where there is no document.
        ring_timeout_s: when ringing ends without an answer.
        time_limit_s: the longest an answered call may last.
        detection: of answering machines.
        hangs_up_on_machine: whether the call ends when a machine is detected.
        is_inbound: the call comes in: its document runs while it rings, and a media verb answers it.
    """

    document: DocumentSource | None = None
    stream: Stream | None = None
    ring_timeout_s: float = 60.0
    time_limit_s: float = 14_400.0
    detection: Detection = Detection.NONE
    hangs_up_on_machine: bool = False
    is_inbound: bool = False


@dataclass(frozen=True, slots=True)
class Begin:
    """The call leaves the queue and is dialled."""


@dataclass(frozen=True, slots=True)
class HangUpAsked:
    """The API ended the call; before an answer that cancels it."""


@dataclass(frozen=True, slots=True)
class AnswerAsked:
    """The API answers an inbound call."""


@dataclass(frozen=True, slots=True)
class RedirectAsked:
    """The API put another document in the place of the present one."""

    source: DocumentSource


@dataclass(frozen=True, slots=True)
class StreamAsked:
    """The API starts a media stream."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamStopAsked:
    """The API ends the media stream; the call goes on."""


@dataclass(frozen=True, slots=True)
class SpeakAsked:
    """The API has the carrier speak."""

    text: str


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The API connects the call to another number."""

    number: str


@dataclass(frozen=True, slots=True)
class DocumentArrived:
    """The document that was fetched; `number` is that of its `Fetch`."""

    verbs: Sequence[Verb]
    number: int


@dataclass(frozen=True, slots=True)
class DocumentFailed:
    """The document could not be had, or not be used."""

    reason: str
    number: int


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The media stream's upgrade was accepted; `number` is that of its `OpenStream`."""

    number: int


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The media stream is gone."""

    how: StreamEnd
    detail: str
    number: int


@dataclass(frozen=True, slots=True)
class CalleeHungUp:
    """The far end hung up."""


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """The far end pressed keys."""

    digits: str


CallEvent = (
    Begin
    | HangUpAsked
    | AnswerAsked
    | RedirectAsked
    | StreamAsked
    | StreamStopAsked
    | SpeakAsked
    | TransferAsked
    | DocumentArrived
    | DocumentFailed
    | StreamOpened
    | StreamEnded
    | CalleeHungUp
    | KeysPressed
)


@dataclass(frozen=True, slots=True)
class Notify:
    """Report a change to those who asked for it."""

    notice: Notice
    detail: str = ""
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch a document."""

    source: DocumentSource
    number: int


@dataclass(frozen=True, slots=True)
class PickUp:
    """The call is answered: the callee's end begins."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Connect a media stream."""

    stream: Stream
    number: int


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Take the media stream down; its end is not reported back."""


@dataclass(frozen=True, slots=True)
class Speak:
    """The carrier's own voice says something to the callee."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The call is over."""


Action = Notify | Fetch | PickUp | OpenStream | CloseStream | Speak | Finish


class EndedBy(StrEnum):
    """Which side ended a call."""

    CALLER = "caller"
    CALLEE = "callee"
    CARRIER = "carrier"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended: its final status, the SIP code that stands for it, and why in words."""

    status: CallStatus
    sip_code: int
    ended_by: EndedBy
    reason: str
