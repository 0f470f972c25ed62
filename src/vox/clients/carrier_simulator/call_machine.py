"""One simulated call as a state machine: events and `now` in, actions out; no socket, task or clock.

The carrier dials, the phone rings, something answers or does not; an answered call runs a document (TwiML and its relatives) or
waits for commands, until either side hangs up. Every change that a carrier reports is a `Notify`, in the order in which it happens.

Times of dialling and ringing, the caller's ring time-out included, are divided by `speed`; what comes after the answer is real time,
because audio is.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urljoin

from vox.clients.carrier_simulator.behaviour import AfterStream, AnsweredBy, Behaviour, Outcome, StreamEnd
from vox.clients.carrier_simulator.call_events import (
    Action,
    AnswerAsked,
    Begin,
    CalleeHungUp,
    CallEvent,
    CallPlan,
    CallStatus,
    CloseStream,
    Detection,
    DocumentArrived,
    DocumentFailed,
    DocumentSource,
    EndedBy,
    Ending,
    Fetch,
    Finish,
    HangUpAsked,
    KeysPressed,
    Notice,
    Notify,
    OpenStream,
    PickUp,
    RedirectAsked,
    Speak,
    SpeakAsked,
    StreamAsked,
    StreamEnded,
    StreamOpened,
    StreamStopAsked,
    TransferAsked,
)
from vox.clients.carrier_simulator.documents import (
    Dial,
    Gather,
    Hangup,
    Pause,
    Play,
    Redirect,
    Reject,
    Repeat,
    Say,
    Stream,
    Verb,
)

MAX_DOCUMENTS: Final = 200
"""Documents that one call may fetch; beyond that it runs in a circle and is ended."""
SPOKEN_CHARACTERS_PER_S: Final = 15.0
DEFAULT_GREETING_S: Final = 3.0
MACHINE_DETECTED: Final = "a machine answered"
DOCUMENT_ENDED: Final = "the document ended"
TIME_LIMIT: Final = "the time limit was reached"
_PLAY_S: Final = 1.0


class CallMachine:
    """The state of one call.

    Args:
        plan: what the caller ordered.
        behaviour: what the far end and the carrier do.
        speed: how many times faster than real time dialling and ringing run.
    """

    def __init__(self, plan: CallPlan, behaviour: Behaviour, *, speed: float = 1.0) -> None:
        self.status = CallStatus.QUEUED
        self.ending: Ending | None = None
        self.answered_by: str = ""
        self.has_stream = False
        self.documents = 0
        self._plan = plan
        self._behaviour = behaviour
        self._speed = speed
        self._verbs: deque[Verb] = deque()
        self._waits_for_document = False
        self._source = DocumentSource()
        self._fallback_url = ""
        self._stream: Stream | None = None
        self._streams = 0
        self._gather: Gather | None = None
        self._dialled: Dial | None = None
        self._digits = ""
        self._runs_document = plan.document is not None
        self._timers: dict[str, float] = {}
        self._now = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the call has ended."""
        return self.ending is not None

    @property
    def due_at(self) -> float | None:
        """When `advance` has something to do; None where only an event can go on."""
        return min(self._timers.values(), default=None)

    def advance(self, now: float) -> list[Action]:
        """What has become due by `now`."""
        actions: list[Action] = []
        while not self.is_over and self._timers:
            name = min(self._timers, key=self._timers.__getitem__)
            if self._timers[name] > now:
                break
            self._now = self._timers.pop(name)
            actions += self._expired(name)
        self._now = now
        return actions

    def handle(self, event: CallEvent, now: float) -> list[Action]:
        """What follows from an event; an event that comes too late changes nothing."""
        actions = self.advance(now)
        if self.is_over:
            return actions
        match event:
            case Begin():
                actions += self._begin()
            case HangUpAsked():
                actions += self._hang_up()
            case CalleeHungUp() if self.status is not CallStatus.IN_PROGRESS:
                actions += self._declined()
            case CalleeHungUp():
                actions += self._end(CallStatus.COMPLETED, EndedBy.CALLEE, "the callee hung up")
            case AnswerAsked():
                actions += self._answer()
            case RedirectAsked() | StreamAsked() | StreamStopAsked() | SpeakAsked() | TransferAsked() if (
                self.status is not CallStatus.IN_PROGRESS
            ):
                pass  # commands are for answered calls
            case RedirectAsked(source):
                actions += self._interrupt()
                self._runs_document = True
                actions += self._load(source)
            case StreamAsked(stream):
                actions += self._open(stream)
            case StreamStopAsked():
                actions += self._close_stream()
            case SpeakAsked(text):
                actions += [Speak(text), Notify(Notice.SPEAK_STARTED)]
                self._timers["speak"] = now + len(text) / SPOKEN_CHARACTERS_PER_S
            case TransferAsked(number):
                actions += self._interrupt()
                actions += self._dial(Dial(number))
            case DocumentArrived(verbs, number):
                if self._is_expected(number):
                    self._verbs = deque(verbs)
                    actions += self._run()
            case DocumentFailed(reason, number):
                if self._is_expected(number):
                    actions += self._document_failed(reason)
            case StreamOpened(number):
                if self._stream is not None and number == self._streams:
                    actions.append(Notify(Notice.STREAM_STARTED, stream=self._stream))
            case StreamEnded(how, detail, number):
                if number == self._streams:
                    actions += self._stream_ended(how, detail)
            case KeysPressed(digits):
                actions += self._pressed(digits)
        return actions

    # Dialling and ringing.

    def _begin(self) -> list[Action]:
        if self.status is not CallStatus.QUEUED:
            return []
        if self._plan.is_inbound:
            self.status = CallStatus.RINGING
            self._after_ringing("ring_timeout", self._plan.ring_timeout_s)
            actions: list[Action] = [Notify(Notice.INITIATED)]
            return actions + (self._load(self._plan.document) if self._plan.document is not None else [])
        self.status = CallStatus.INITIATED
        behaviour = self._behaviour
        if behaviour.outcome is Outcome.FAIL:
            self._after_ringing("outcome", behaviour.ring_s)
            return [Notify(Notice.INITIATED)]
        self._after_ringing("ringing", min(0.2, behaviour.ring_s))
        if behaviour.outcome is not Outcome.NO_ANSWER:
            self._after_ringing("outcome", behaviour.ring_s)
        self._after_ringing("ring_timeout", self._plan.ring_timeout_s)
        return [Notify(Notice.INITIATED)]

    def _after_ringing(self, timer: str, seconds: float) -> None:
        self._timers[timer] = self._now + seconds / self._speed

    def _expired(self, timer: str) -> list[Action]:
        match timer:
            case "ringing":
                self.status = CallStatus.RINGING
                return [Notify(Notice.RINGING)]
            case "outcome":
                return self._outcome()
            case "ring_timeout":
                return self._end(CallStatus.NO_ANSWER, EndedBy.CARRIER, "nothing answered in time")
            case "detection":
                return self._detected()
            case "greeting_end":
                return [Notify(Notice.GREETING_ENDED)]
            case "limit":
                return self._end(CallStatus.COMPLETED, EndedBy.CARRIER, TIME_LIMIT)
            case "hang_up":
                return self._end(CallStatus.COMPLETED, EndedBy.CALLEE, "the callee hung up")
            case "gather":
                return self._gathered()
            case "speak":
                return [Notify(Notice.SPEAK_ENDED)]
            case _:  # "verb"
                return self._verb_over()

    def _outcome(self) -> list[Action]:
        match self._behaviour.outcome:
            case Outcome.BUSY:
                return self._end(CallStatus.BUSY, EndedBy.CALLEE, "the line is busy")
            case Outcome.REJECT:
                return self._declined()
            case Outcome.FAIL:
                return self._end(CallStatus.FAILED, EndedBy.CARRIER, "the number cannot be reached")
            case _:
                return self._answer()

    def _answer(self) -> list[Action]:
        if self.status not in {CallStatus.INITIATED, CallStatus.RINGING}:
            return []
        self._timers.clear()
        self.status = CallStatus.IN_PROGRESS
        plan, behaviour = self._plan, self._behaviour
        self._timers["limit"] = self._now + plan.time_limit_s
        if behaviour.hangs_up_after_s is not None:
            self._timers["hang_up"] = self._now + behaviour.hangs_up_after_s
        actions: list[Action] = [PickUp(), Notify(Notice.ANSWERED)]
        if plan.is_inbound:
            return actions
        if plan.detection is not Detection.NONE:
            is_machine = behaviour.answered_by is AnsweredBy.MACHINE
            waits = is_machine and plan.detection.waits_for_message_end
            self._timers["detection"] = self._now + (_greeting_s(behaviour) if waits else behaviour.detection_s)
            if is_machine and not waits:
                self._timers["greeting_end"] = self._now + _greeting_s(behaviour)
            if plan.detection.is_blocking:
                return actions
        return actions + self._proceed()

    def _proceed(self) -> list[Action]:
        """What the plan has for an answered call."""
        if self._plan.document is not None:
            return self._load(self._plan.document)
        return self._open(self._plan.stream) if self._plan.stream is not None else []

    def _detected(self) -> list[Action]:
        waits = self._plan.detection.waits_for_message_end
        match self._behaviour.answered_by:
            case AnsweredBy.MACHINE:
                self.answered_by = "machine_end_beep" if waits else "machine_start"
            case AnsweredBy.FAX:
                self.answered_by = "fax"
            case AnsweredBy.SCREENING:
                self.answered_by = "unknown"
            case AnsweredBy.HUMAN:
                self.answered_by = "human"
        actions: list[Action] = [Notify(Notice.DETECTED, self.answered_by)]
        if self._plan.hangs_up_on_machine and self._behaviour.answered_by is AnsweredBy.MACHINE:
            return actions + self._end(CallStatus.COMPLETED, EndedBy.CARRIER, MACHINE_DETECTED)
        return actions + self._proceed() if self._plan.detection.is_blocking else actions

    # Documents.

    def _load(self, source: DocumentSource) -> list[Action]:
        self.documents += 1
        self._source = source
        if self.documents > MAX_DOCUMENTS:
            return self._end(CallStatus.FAILED, EndedBy.CARRIER, f"more than {MAX_DOCUMENTS} documents in one call")
        if source.verbs is not None:
            self._verbs = deque(source.verbs)
            return self._run()
        self._waits_for_document = True
        self._fallback_url = source.fallback_url
        return [Fetch(source, self.documents)]

    def _absolute(self, url: str) -> str:
        """An address of a document, which may be relative to the document's own; empty means the same one again."""
        return urljoin(self._source.url, url)

    def _is_expected(self, number: int) -> bool:
        """Whether this is the document waited for, and not one that another has replaced."""
        if not self._waits_for_document or number != self.documents:
            return False
        self._waits_for_document = False
        return True

    def _document_failed(self, reason: str) -> list[Action]:
        if self._fallback_url:
            return self._load(DocumentSource(self._fallback_url))
        return self._end(CallStatus.FAILED if self._plan.is_inbound else CallStatus.COMPLETED, EndedBy.CARRIER, reason)

    def _run(self) -> list[Action]:
        """Runs verbs until one takes time, or none is left."""
        actions: list[Action] = []
        while self._verbs and not self.is_over:
            verb = self._verbs.popleft()
            if isinstance(verb, Reject) and self.status is CallStatus.RINGING:
                status = CallStatus.BUSY if verb.is_busy else CallStatus.NO_ANSWER
                return actions + self._end(status, EndedBy.CALLER, "the document rejected the call", sip_code=603)
            if self.status is CallStatus.RINGING and not isinstance(verb, Redirect | Hangup | Pause):
                actions += self._answer()
            match verb:
                case Stream():
                    actions += self._open(verb)
                    if verb.is_blocking:
                        return actions
                case Say(text):
                    actions.append(Speak(text))
                    return actions + self._wait(len(text) / SPOKEN_CHARACTERS_PER_S)
                case Play():
                    return actions + self._wait(_PLAY_S)
                case Pause(seconds):
                    return actions + self._wait(seconds)
                case Gather():
                    self._gather, self._digits = verb, ""
                    actions += [Speak(prompt.text) for prompt in verb.prompts if isinstance(prompt, Say)]
                    self._timers["gather"] = self._now + verb.timeout_s
                    return actions
                case Dial():
                    return actions + self._dial(verb)
                case Redirect(url, method):
                    return actions + self._load(DocumentSource(self._absolute(url), method))
                case Repeat():
                    return actions + self._load(self._source)
                case Hangup() | Reject():
                    return actions + self._end(CallStatus.COMPLETED, EndedBy.CALLER, "the document hung up")
        if not self.is_over:
            actions += self._end(CallStatus.COMPLETED, EndedBy.CALLER, DOCUMENT_ENDED)
        return actions

    def _wait(self, seconds: float) -> list[Action]:
        self._timers["verb"] = self._now + seconds
        return []

    def _dial(self, verb: Dial) -> list[Action]:
        """The other number answers and talks for a while, or does not; then the document goes on."""
        behaviour = self._behaviour
        self._dialled = verb
        if behaviour.transfer is not Outcome.ANSWER:
            return self._wait(behaviour.ring_s / self._speed)
        return [Notify(Notice.BRIDGED, verb.number), *self._wait(behaviour.transfer_s)]

    def _verb_over(self) -> list[Action]:
        """What the carrier said or played is over, or the other number has hung up."""
        dialled, self._dialled = self._dialled, None
        if dialled is None or not dialled.action:
            return self._run()
        fields = {"DialCallStatus": _DIALLED[self._behaviour.transfer]}
        return self._load(DocumentSource(self._absolute(dialled.action), dialled.method, fields=fields))

    def _pressed(self, digits: str) -> list[Action]:
        notices: list[Action] = [Notify(Notice.KEY_PRESSED, digit) for digit in digits]
        return notices + self._gather_keys(digits)

    def _gather_keys(self, digits: str) -> list[Action]:
        gather = self._gather
        if gather is None:
            return []
        for digit in digits:
            if digit == gather.finish_key:
                return self._gathered()
            self._digits += digit
            if gather.digits and len(self._digits) >= gather.digits:
                return self._gathered()
        self._timers["gather"] = self._now + gather.timeout_s
        return []

    def _gathered(self) -> list[Action]:
        self._timers.pop("gather", None)
        gather, self._gather = self._gather, None
        if gather is None or not self._digits:
            return self._run()
        source = DocumentSource(self._absolute(gather.action), gather.method, fields={"Digits": self._digits})
        return self._load(source)

    # Media streams.

    def _open(self, stream: Stream) -> list[Action]:
        actions = self._close_stream()
        if stream.status_callback:
            stream = replace(stream, status_callback=self._absolute(stream.status_callback))
        self._stream, self.has_stream = stream, True
        self._streams += 1
        return [*actions, OpenStream(stream, self._streams)]

    def _close_stream(self) -> list[Action]:
        if self._stream is None:
            return []
        stream, self._stream, self.has_stream = self._stream, None, False
        return [CloseStream(), Notify(Notice.STREAM_STOPPED, StreamEnd.STOPPED, stream)]

    def _stream_ended(self, how: StreamEnd, detail: str) -> list[Action]:
        if self._stream is None:
            return []
        stream, self._stream, self.has_stream = self._stream, None, False
        faults = self._behaviour.stream
        notice = Notice.STREAM_STOPPED if how is StreamEnd.CLOSED else Notice.STREAM_FAILED
        actions: list[Action] = [Notify(notice, detail or how, stream)]
        after = {StreamEnd.REFUSED: faults.after_refused, StreamEnd.LOST: faults.after_lost}.get(how)
        if after is AfterStream.END:
            return actions + self._end(CallStatus.COMPLETED, EndedBy.CARRIER, f"the media stream was {how}")
        return actions + self._run() if self._runs_document and stream.is_blocking else actions

    def _interrupt(self) -> list[Action]:
        """Stops what the document does at present."""
        self._verbs.clear()
        self._waits_for_document = False
        self._gather = self._dialled = None
        for timer in ("verb", "gather", "speak"):
            self._timers.pop(timer, None)
        return self._close_stream()

    # The end.

    def _hang_up(self) -> list[Action]:
        if self.status is CallStatus.IN_PROGRESS:
            return self._end(CallStatus.COMPLETED, EndedBy.CALLER, "the caller hung up")
        return self._end(CallStatus.CANCELED, EndedBy.CALLER, "the caller canceled the call")

    def _declined(self) -> list[Action]:
        """The far end hangs up while it rings: the callee of an outgoing call, the caller of an incoming one."""
        if self._plan.is_inbound:
            return self._end(CallStatus.CANCELED, EndedBy.CALLEE, "the caller gave up")
        return self._end(CallStatus.BUSY, EndedBy.CALLEE, "the callee declined", sip_code=603)

    def _end(self, status: CallStatus, ended_by: EndedBy, reason: str, *, sip_code: int = 0) -> list[Action]:
        self.status = status
        self.ending = Ending(status, sip_code or _SIP_CODES.get(status, 200), ended_by, reason)
        self._timers.clear()
        self._verbs.clear()
        return [*self._close_stream(), Notify(Notice.COMPLETED, reason), Finish()]


_DIALLED: Final[Mapping[Outcome, str]] = {
    Outcome.ANSWER: "completed",
    Outcome.BUSY: "busy",
    Outcome.REJECT: "busy",
    Outcome.NO_ANSWER: "no-answer",
    Outcome.FAIL: "failed",
}
_SIP_CODES: Final[Mapping[CallStatus, int]] = {
    CallStatus.BUSY: 486,
    CallStatus.NO_ANSWER: 480,
    CallStatus.FAILED: 404,
    CallStatus.CANCELED: 487,
}


def _greeting_s(behaviour: Behaviour) -> float:
    return DEFAULT_GREETING_S if behaviour.greeting_s is None else behaviour.greeting_s
