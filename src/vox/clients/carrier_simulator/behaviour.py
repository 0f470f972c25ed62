"""What the simulated far end and the simulated carrier do with one call; pure values, as a scenario file states them.

The default is the plain case: the phone rings for two seconds, a person answers and listens, every request succeeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Outcome(StrEnum):
    """What becomes of the ringing."""

    ANSWER = "answer"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECT = "reject"
    FAIL = "fail"


class AnsweredBy(StrEnum):
    """What picks the call up; a screening service asks who calls before it puts a person through."""

    HUMAN = "human"
    MACHINE = "machine"
    SCREENING = "screening"
    FAX = "fax"


class StreamEnd(StrEnum):
    """How a media stream ended, seen from the carrier."""

    CLOSED = "closed"
    LOST = "lost"
    REFUSED = "refused"
    STOPPED = "stopped"


class AfterStream(StrEnum):
    """What the carrier does when a stream broke off or was refused."""

    CONTINUE = "continue"
    END = "end"


class ApiFault(StrEnum):
    """How the REST API fails for a call; the last one dials all the same."""

    NONE = "none"
    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    TIMEOUT_BEFORE_DIALLING = "timeout_before_dialling"
    TIMEOUT_AFTER_DIALLING = "timeout_after_dialling"
    ERROR_AFTER_DIALLING = "error_after_dialling"


@dataclass(frozen=True, slots=True)
class SayText:
    """The callee speaks a text."""

    text: str


@dataclass(frozen=True, slots=True)
class PlayFile:
    """The callee's end plays a WAV file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Beep:
    """A tone of 1 kHz, as voicemail ends its greeting."""

    seconds: float = 0.4


@dataclass(frozen=True, slots=True)
class Silence:
    """The callee is silent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Listen:
    """The callee waits until the agent has spoken and been silent for a while, for at most `timeout_s`."""

    silence_s: float = 1.0
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class PressKeys:
    """The callee presses keys."""

    digits: str


@dataclass(frozen=True, slots=True)
class EndCall:
    """The callee hangs up."""


CalleeStep = SayText | PlayFile | Beep | Silence | Listen | PressKeys | EndCall


@dataclass(frozen=True, slots=True)
class CallbackFaults:
    """What goes wrong with the carrier's callbacks.

    Args:
        delay_s: each is sent that much later, in seconds.
        copies: how often each is sent; 0 loses them all.
        is_reversed: the callbacks of a call are held until its end and sent in the opposite order.
        retries: how often one that is not answered with success is sent again.
        retry_s: how long the carrier waits before that, in seconds.
    """

    delay_s: float = 0.0
    copies: int = 1
    is_reversed: bool = False
    retries: int = 0
    retry_s: float = 1.0


@dataclass(frozen=True, slots=True)
class StreamFaults:
    """What goes wrong with media streams.

    Args:
        cut_after_s: the first stream's TCP connection is aborted after that many seconds; None for never.
        after_refused: what follows a stream whose upgrade was refused.
        after_lost: what follows a stream whose connection broke without a close frame.
        keeps_buffer: whether audio that was sent but not yet played is still played when the stream has closed.
    """

    cut_after_s: float | None = None
    after_refused: AfterStream = AfterStream.CONTINUE
    after_lost: AfterStream = AfterStream.CONTINUE
    keeps_buffer: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One call's far end and carrier.

    Args:
        outcome: what becomes of the ringing.
        ring_s: seconds of ringing before the outcome; `no_answer` rings until the caller's time-out.
        answered_by: what answers.
        detection_s: how long the carrier's answering machine detection takes for a person.
        greeting_s: how long a machine's greeting lasts, for detection that waits for its end; None for the length of
            its steps up to the first beep.
        callee: what the far end does after answering; it then listens until the call ends.
        hangs_up_after_s: the callee hangs up that long after answering, whatever the steps are; None for never.
        transfer: what becomes of a number that the call is transferred to.
        transfer_s: how long that number stays on the line.
        api: how the request that creates the call fails.
        api_delay_s: how long a request that times out is held before its connection is closed.
        callbacks: faults of the callbacks.
        stream: faults of the media streams.
    """

    outcome: Outcome = Outcome.ANSWER
    ring_s: float = 2.0
    answered_by: AnsweredBy = AnsweredBy.HUMAN
    detection_s: float = 0.5
    greeting_s: float | None = None
    callee: Sequence[CalleeStep] = ()
    hangs_up_after_s: float | None = None
    transfer: Outcome = Outcome.ANSWER
    transfer_s: float = 5.0
    api: ApiFault = ApiFault.NONE
    api_delay_s: float = 30.0
    callbacks: CallbackFaults = field(default_factory=CallbackFaults)
    stream: StreamFaults = field(default_factory=StreamFaults)
