import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.carrier_simulator.behaviour import AfterStream, AnsweredBy, Behaviour, Outcome, StreamEnd, StreamFaults
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
from vox.clients.carrier_simulator.call_machine import MAX_DOCUMENTS, CallMachine
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
)

STREAM = Stream("ws://agent/media")
URL = DocumentSource("http://bridge/answer/one", fallback_url="")


class Line:
    """A machine with its own clock; `log` holds every action so far."""

    def __init__(self, plan: CallPlan | None = None, behaviour: Behaviour | None = None, *, speed: float = 1.0) -> None:
        self.machine = CallMachine(plan or CallPlan(URL), behaviour or Behaviour(), speed=speed)
        self.now = 100.0
        self.log: list[Action] = []

    def feed(self, *events: CallEvent) -> list[Action]:
        found = [action for event in events for action in self.machine.handle(event, self.now)]
        self.log += found
        return found

    def later(self, seconds: float) -> list[Action]:
        self.now += seconds
        found = self.machine.advance(self.now)
        self.log += found
        return found

    def answered(self) -> "Line":
        self.feed(Begin())
        self.later(2.0)
        return self

    def notices(self) -> list[Notice]:
        return [action.notice for action in self.log if isinstance(action, Notify)]

    @property
    def ending(self):
        assert self.machine.ending is not None
        return self.machine.ending.status, self.machine.ending.sip_code


def running(*verbs, behaviour: Behaviour | None = None) -> Line:
    """An answered call whose document has these verbs."""
    line = Line(CallPlan(DocumentSource(URL.url, verbs=verbs)), behaviour)
    return line.answered()


def test_a_call_is_dialled_rings_and_is_answered_in_that_order():
    line = Line()
    assert line.feed(Begin()) == [Notify(Notice.INITIATED)]
    assert line.machine.status is CallStatus.INITIATED
    assert line.later(0.2) == [Notify(Notice.RINGING)]
    assert line.machine.status is CallStatus.RINGING
    assert line.later(1.8) == [PickUp(), Notify(Notice.ANSWERED), Fetch(URL, 1)]
    assert line.machine.status is CallStatus.IN_PROGRESS
    assert line.feed(Begin()) == []


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        (Outcome.BUSY, (CallStatus.BUSY, 486)),
        (Outcome.REJECT, (CallStatus.BUSY, 603)),
        (Outcome.FAIL, (CallStatus.FAILED, 404)),
    ],
)
def test_a_call_that_is_not_answered_ends_with_its_own_status(outcome, ending):
    line = Line(behaviour=Behaviour(outcome=outcome))
    line.feed(Begin())
    line.later(2.0)
    assert line.ending == ending
    assert line.log[-2:] == [line.log[-2], Finish()]
    assert Notice.ANSWERED not in line.notices()
    assert (Notice.RINGING in line.notices()) is (outcome is not Outcome.FAIL)


def test_nothing_answers_until_the_callers_time_out():
    line = Line(CallPlan(URL, ring_timeout_s=20.0), Behaviour(outcome=Outcome.NO_ANSWER))
    line.feed(Begin())
    line.later(19.9)
    assert not line.machine.is_over
    line.later(0.2)
    assert line.ending == (CallStatus.NO_ANSWER, 480)


def test_who_answers_after_the_time_out_finds_nobody():
    line = Line(CallPlan(URL, ring_timeout_s=5.0), Behaviour(ring_s=6.0))
    line.feed(Begin())
    line.later(10.0)
    assert line.ending == (CallStatus.NO_ANSWER, 480)


def test_speed_shortens_ringing_and_its_time_out_and_nothing_else():
    line = Line(CallPlan(URL, time_limit_s=60.0), Behaviour(ring_s=10.0), speed=10.0)
    line.feed(Begin())
    line.later(1.0)
    assert line.machine.status is CallStatus.IN_PROGRESS
    line.later(59.9)
    assert not line.machine.is_over
    line.later(0.2)
    assert line.ending == (CallStatus.COMPLETED, 200)


def test_a_call_is_canceled_before_the_answer_and_completed_after_it():
    queued, ringing, answered = Line(), Line(), Line().answered()
    ringing.feed(Begin())
    for line in (queued, ringing, answered):
        line.feed(HangUpAsked())
    assert [line.ending[0] for line in (queued, ringing, answered)] == [
        CallStatus.CANCELED,
        CallStatus.CANCELED,
        CallStatus.COMPLETED,
    ]
    assert queued.feed(Begin(), CalleeHungUp()) == []


def test_a_stream_holds_the_document_until_the_server_closes_it_and_then_the_rest_runs():
    line = running(STREAM, Redirect("/resume?x=1"))
    assert line.log[-1] == OpenStream(STREAM, 1)
    assert line.feed(StreamOpened(1)) == [Notify(Notice.STREAM_STARTED, stream=STREAM)]
    assert line.machine.has_stream
    after = line.feed(StreamEnded(StreamEnd.CLOSED, "1000", 1))
    assert after == [
        Notify(Notice.STREAM_STOPPED, "1000", STREAM),
        Fetch(DocumentSource("http://bridge/resume?x=1"), 2),
    ]
    assert line.feed(DocumentArrived([STREAM], 2)) == [OpenStream(STREAM, 2)]


def test_a_document_without_a_rest_ends_the_call_with_the_stream():
    line = running(STREAM)
    line.feed(StreamOpened(1), StreamEnded(StreamEnd.CLOSED, "1000", 1))
    assert line.ending == (CallStatus.COMPLETED, 200)


@pytest.mark.parametrize("how", [StreamEnd.LOST, StreamEnd.REFUSED])
@pytest.mark.parametrize("after", [AfterStream.CONTINUE, AfterStream.END])
def test_after_a_lost_or_refused_stream_the_carrier_goes_on_or_ends_as_the_scenario_says(how, after):
    faults = StreamFaults(after_lost=after, after_refused=after)
    line = running(STREAM, Redirect("/resume"), behaviour=Behaviour(stream=faults))
    line.feed(StreamEnded(how, "503", 1))
    assert Notify(Notice.STREAM_FAILED, "503", STREAM) in line.log
    assert line.machine.is_over is (after is AfterStream.END)


def test_a_circle_of_documents_is_ended():
    line = running(STREAM, Repeat())
    for number in range(1, MAX_DOCUMENTS):
        line.feed(StreamEnded(StreamEnd.REFUSED, "503", number))
    assert not line.machine.is_over
    line.feed(StreamEnded(StreamEnd.REFUSED, "503", MAX_DOCUMENTS))
    assert line.ending[0] is CallStatus.FAILED


def test_what_a_replaced_document_or_stream_still_reports_changes_nothing():
    line = Line().answered()
    line.feed(RedirectAsked(DocumentSource("http://bridge/other")))
    assert line.feed(DocumentArrived([Hangup()], 1)) == []
    assert line.feed(DocumentFailed("late", 1)) == []
    line.feed(DocumentArrived([STREAM], 2))
    line.feed(RedirectAsked(DocumentSource(verbs=[STREAM])))
    assert line.feed(StreamEnded(StreamEnd.CLOSED, "", 1)) == []
    assert line.feed(StreamOpened(1)) == []
    assert line.machine.has_stream
    assert line.feed(DocumentArrived([Hangup()], 3)) == []


def test_a_redirect_by_the_api_takes_the_stream_down_and_runs_another_document():
    line = running(STREAM)
    after = line.feed(RedirectAsked(DocumentSource(verbs=[Say("bye"), Hangup()])))
    assert after[:2] == [CloseStream(), Notify(Notice.STREAM_STOPPED, StreamEnd.STOPPED, STREAM)]
    assert after[2] == Speak("bye")
    line.later(1.0)
    assert line.ending == (CallStatus.COMPLETED, 200)


def test_a_document_that_cannot_be_had_is_asked_of_the_fallback_and_then_ends_the_call():
    line = Line(CallPlan(DocumentSource("http://bridge/a", fallback_url="http://bridge/b"))).answered()
    assert line.feed(DocumentFailed("500", 1)) == [Fetch(DocumentSource("http://bridge/b"), 2)]
    line.feed(DocumentFailed("500 again", 2))
    assert line.ending == (CallStatus.COMPLETED, 200)


def test_each_verb_takes_its_time():
    line = running(Say("x" * 15), Play("http://a/b.wav"), Pause(2.0), Hangup())
    assert line.later(0.9) == []
    for seconds in (0.1, 1.0):
        line.later(seconds)
        assert not line.machine.is_over
    line.later(2.0)
    assert line.ending == (CallStatus.COMPLETED, 200)


def test_keys_are_gathered_up_to_their_number_the_finish_key_or_the_time_out():
    for keys, given_digits in (("123", "12"), ("1#", "1")):
        line = running(Gather("/keys", digits=2, prompts=[Say("press"), Pause(1)]))
        assert Speak("press") in line.log
        after = line.feed(KeysPressed(keys))
        fetched = [action for action in after if isinstance(action, Fetch)]
        assert fetched == [Fetch(DocumentSource("http://bridge/keys", fields={"Digits": given_digits}), 2)]
    slow = running(Gather("/keys", timeout_s=3.0), Hangup())
    assert slow.feed(KeysPressed("7")) == [Notify(Notice.KEY_PRESSED, "7")]
    assert slow.later(3.0) == [Fetch(DocumentSource("http://bridge/keys", fields={"Digits": "7"}), 2)]
    silent = running(Gather("/keys", timeout_s=3.0), Hangup())
    silent.later(3.0)
    assert silent.ending[0] is CallStatus.COMPLETED


def test_a_transfer_talks_for_its_time_and_reports_how_it_went():
    line = running(Dial("+15550100", action="/after"), behaviour=Behaviour(transfer_s=4.0))
    assert Notify(Notice.BRIDGED, "+15550100") in line.log
    assert line.later(4.0) == [Fetch(DocumentSource("http://bridge/after", fields={"DialCallStatus": "completed"}), 2)]
    busy = running(Dial("+15550100", action="/after"), behaviour=Behaviour(transfer=Outcome.BUSY))
    assert busy.later(2.0) == [Fetch(DocumentSource("http://bridge/after", fields={"DialCallStatus": "busy"}), 2)]
    plain = running(Dial("+15550100"), Hangup())
    plain.later(5.0)
    assert plain.ending[0] is CallStatus.COMPLETED


@pytest.mark.parametrize(
    ("answered_by", "detection", "found", "after_s"),
    [
        (AnsweredBy.HUMAN, Detection.BEFORE_DOCUMENT, "human", 0.5),
        (AnsweredBy.MACHINE, Detection.BEFORE_DOCUMENT, "machine_start", 0.5),
        (AnsweredBy.MACHINE, Detection.MESSAGE_END, "machine_end_beep", 3.0),
        (AnsweredBy.FAX, Detection.MESSAGE_END, "fax", 0.5),
        (AnsweredBy.SCREENING, Detection.MESSAGE_END, "unknown", 0.5),
    ],
)
def test_detection_that_blocks_comes_before_the_document(answered_by, detection, found, after_s):
    line = Line(CallPlan(URL, detection=detection), Behaviour(answered_by=answered_by)).answered()
    assert not [action for action in line.log if isinstance(action, Fetch)]
    line.later(after_s - 0.01)
    assert line.machine.answered_by == ""
    assert line.later(0.02)[:2] == [Notify(Notice.DETECTED, found), Fetch(URL, 1)]


def test_detection_alongside_delays_nothing_and_tells_the_end_of_the_greeting():
    behaviour = Behaviour(answered_by=AnsweredBy.MACHINE, greeting_s=4.0)
    line = Line(CallPlan(stream=STREAM, detection=Detection.ALONGSIDE), behaviour).answered()
    assert line.log[-1] == OpenStream(STREAM, 1)
    assert line.later(0.5) == [Notify(Notice.DETECTED, "machine_start")]
    assert line.later(3.5) == [Notify(Notice.GREETING_ENDED)]


def test_a_call_that_hangs_up_on_machines_does_and_on_people_does_not():
    plan = CallPlan(URL, detection=Detection.BEFORE_DOCUMENT, hangs_up_on_machine=True)
    machine, human = Line(plan, Behaviour(answered_by=AnsweredBy.MACHINE)).answered(), Line(plan).answered()
    for line in (machine, human):
        line.later(1.0)
    assert machine.ending[0] is CallStatus.COMPLETED
    assert not human.machine.is_over


def test_a_call_without_a_document_obeys_commands():
    line = Line(CallPlan()).answered()
    assert line.log[-1] == Notify(Notice.ANSWERED)
    assert line.feed(StreamAsked(STREAM)) == [OpenStream(STREAM, 1)]
    line.feed(StreamOpened(1))
    assert line.feed(StreamStopAsked())[0] == CloseStream()
    assert line.feed(StreamStopAsked()) == []
    other = Stream("ws://other/media")
    line.feed(StreamAsked(other))
    assert line.feed(StreamEnded(StreamEnd.CLOSED, "1000", 2)) == [Notify(Notice.STREAM_STOPPED, "1000", other)]
    assert not line.machine.is_over
    assert line.feed(SpeakAsked("hello there")) == [Speak("hello there"), Notify(Notice.SPEAK_STARTED)]
    assert line.later(1.0) == [Notify(Notice.SPEAK_ENDED)]
    line.feed(TransferAsked("+15550100"))
    line.later(5.0)
    assert line.ending[0] is CallStatus.COMPLETED


def test_commands_before_the_answer_change_nothing():
    line = Line()
    line.feed(Begin())
    assert (
        line.feed(RedirectAsked(URL), StreamAsked(STREAM), StreamStopAsked(), SpeakAsked("a"), TransferAsked("+1"))
        == []
    )


def test_a_stream_that_does_not_block_lets_the_document_go_on():
    line = running(Stream("ws://agent/fork", is_blocking=False), Pause(1.0), Hangup())
    assert line.feed(StreamEnded(StreamEnd.CLOSED, "", 1))[-1].notice is Notice.STREAM_STOPPED  # type: ignore[union-attr]
    line.later(1.0)
    assert line.ending[0] is CallStatus.COMPLETED


def test_the_callee_hangs_up_when_the_scenario_says():
    line = running(STREAM, behaviour=Behaviour(hangs_up_after_s=5.0))
    line.later(4.9)
    assert not line.machine.is_over
    after = line.later(0.2)
    assert [type(action) for action in after] == [CloseStream, Notify, Notify, Finish]


def test_an_incoming_call_is_answered_by_its_document_rejected_or_left_ringing():
    def ringing(*verbs) -> Line:
        line = Line(CallPlan(URL, is_inbound=True))
        assert line.feed(Begin()) == [Notify(Notice.INITIATED), Fetch(URL, 1)]
        line.feed(DocumentArrived(verbs, 1))
        return line

    answered = ringing(STREAM)
    assert answered.log[-3:] == [PickUp(), Notify(Notice.ANSWERED), OpenStream(STREAM, 1)]
    assert ringing(Reject(is_busy=True)).ending == (CallStatus.BUSY, 603)
    assert ringing(Reject()).ending == (CallStatus.NO_ANSWER, 603)
    assert ringing(Pause(1.0)).machine.status is CallStatus.RINGING
    failed = Line(CallPlan(URL, is_inbound=True))
    failed.feed(Begin(), DocumentFailed("it answered 503", 1))
    assert failed.ending == (CallStatus.FAILED, 404)
    unanswered = Line(CallPlan(is_inbound=True))
    unanswered.feed(Begin())
    unanswered.later(60.0)
    assert unanswered.ending == (CallStatus.NO_ANSWER, 480)


def test_who_hangs_up_while_it_rings_declines_or_gives_up():
    outgoing, incoming = Line(), Line(CallPlan(is_inbound=True))
    for line in (outgoing, incoming):
        line.feed(Begin(), CalleeHungUp())
    assert (outgoing.ending, incoming.ending) == ((CallStatus.BUSY, 603), (CallStatus.CANCELED, 487))


def test_an_incoming_call_is_answered_by_command_once():
    line = Line(CallPlan(is_inbound=True))
    assert line.feed(AnswerAsked()) == []
    line.feed(Begin())
    assert line.feed(AnswerAsked()) == [PickUp(), Notify(Notice.ANSWERED)]
    assert line.feed(AnswerAsked()) == []


def test_a_rejection_in_an_answered_call_hangs_up():
    assert running(Reject()).ending == (CallStatus.COMPLETED, 200)


def test_the_address_of_a_streams_callback_may_be_relative():
    line = running(Stream("ws://agent/media", status_callback="/stream"))
    opened = line.log[-1]
    assert isinstance(opened, OpenStream)
    assert opened.stream.status_callback == "http://bridge/stream"


EVENTS: st.SearchStrategy[CallEvent] = st.one_of(
    st.sampled_from(
        [
            Begin(),
            HangUpAsked(),
            AnswerAsked(),
            RedirectAsked(DocumentSource("http://bridge/x")),
            RedirectAsked(DocumentSource(verbs=[STREAM, Repeat()])),
            StreamAsked(STREAM),
            StreamStopAsked(),
            SpeakAsked("hello"),
            TransferAsked("+15550100"),
            CalleeHungUp(),
            KeysPressed("1#"),
        ]
    ),
    st.builds(
        DocumentArrived,
        st.lists(
            st.sampled_from(
                [
                    STREAM,
                    Stream("ws://a/b", is_blocking=False),
                    Say("a"),
                    Pause(1),
                    Gather("/g", digits=1),
                    Dial("+15550100", "/d"),
                    Redirect("/r"),
                    Repeat(),
                    Hangup(),
                    Reject(),
                ]
            )
        ),
        st.integers(0, 5),
    ),
    st.builds(DocumentFailed, st.just("no"), st.integers(0, 5)),
    st.builds(StreamOpened, st.integers(0, 3)),
    st.builds(StreamEnded, st.sampled_from(list(StreamEnd)), st.just(""), st.integers(0, 3)),
)
PLANS = st.builds(
    CallPlan,
    st.sampled_from([None, URL]),
    st.sampled_from([None, STREAM]),
    detection=st.sampled_from(list(Detection)),
    is_inbound=st.booleans(),
)
BEHAVIOURS = st.builds(
    Behaviour, st.sampled_from(list(Outcome)), st.floats(0, 5), st.sampled_from(list(AnsweredBy)), st.floats(0, 5)
)


@given(PLANS, BEHAVIOURS, st.lists(st.tuples(EVENTS, st.floats(0, 30)), max_size=30))
def test_whatever_happens_a_call_is_answered_before_it_streams_and_ends_once(plan, behaviour, happenings):
    line = Line(plan, behaviour)
    line.feed(Begin())
    for event, seconds in happenings:
        line.feed(event)
        line.later(seconds)
    line.feed(HangUpAsked())
    kinds = [type(action) for action in line.log]
    assert kinds.count(Finish) == 1
    assert kinds[-1] is Finish
    assert line.notices().count(Notice.COMPLETED) == 1
    assert line.notices().count(Notice.ANSWERED) <= 1
    if OpenStream in kinds:
        assert kinds.index(PickUp) < kinds.index(OpenStream)
    assert line.machine.status.is_final
    assert line.machine.due_at is None
    assert kinds.count(OpenStream) >= kinds.count(CloseStream)
