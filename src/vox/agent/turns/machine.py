"""Who has the turn: the pure state machine of a conversation.

It takes events with their time and returns actions; it owns no task, socket or clock. Every way in which a turn may
end, be cut off or never come is a row of `TurnMachine._table`, so read that first.

    IDLE ──speech──▶ SPEAKING ──silence──▶ PAUSED ──turn_stop_s──▶ DECIDING ──transcript──▶ IDLE (+ Respond)
                        ▲                    │                        │
                        └────────speech──────┴────────speech──────────┘

With `follows_words` the pause depends on the text: PAUSED lasts shorter behind a whole turn and longer behind an unfinished
one (`completeness.py`), and DECIDING lasts on where the final transcript turns out to be unfinished. A model that hears whether
the caller goes on (`TurnJudged`) does the same to PAUSED; while it says nothing, silence decides.

The agent's side is `BotState`: SILENT, THINKING (an answer is being made, nothing was heard), SPEAKING. A voice of the
caller during THINKING or SPEAKING first *holds* the agent's output. Words then make it an interruption; a short voice without
them (or with a listener's "uh huh") lets the agent go on where it stopped after `hold_s`, a long one once its text is known.
Events, actions and the policy are in `events.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

from vox.agent.turns.completeness import Completeness, Expected, is_backchannel, is_silencer, judge
from vox.agent.turns.events import (
    KEYS,
    MAX_DIGITS,
    USER_IDLE,
    USER_STARTED,
    USER_STOPPED,
    Action,
    BotAudible,
    BotFinished,
    BotState,
    BotThinking,
    CancelListening,
    DigitEntered,
    EndCall,
    Event,
    FinishListening,
    HoldBot,
    Interrupt,
    Notify,
    NotUnderstood,
    PartialText,
    PauseListening,
    PauseText,
    ReleaseBot,
    Respond,
    SpeechBegan,
    SpeechEnded,
    StartListening,
    TextArrived,
    TurnJudged,
    TurnPolicy,
    TypedText,
    UserState,
    VoiceBegan,
    VoiceEnded,
)
from vox.agent.turns.interruption import silences, voice_holds, words_interrupt

MAX_TEXTS_DUE = 8
"""Transcripts that may be awaited at once; a recogniser that owes more has ceased to answer."""
SHORT_VOICE_S = 0.35
"""The usual "uh huh" is shorter, the beginning of a sentence usually longer."""
TWO_SYLLABLES_S = 0.5
"""So long the voice of an "uh huh" or "okay" lasts without the gap in it."""
WORDS_S, WORDS_LONG_S = 0.05, 0.2
"""So long more words or a text may take behind a short and behind a longer voice before the agent goes on."""
RESUME_S = 0.25
"""A voice becomes speech within this time, or it was none: so long it keeps a turn from ending."""

_Row = Callable[[Any, Any, float, list[Action]], None]


@dataclass(slots=True)
class TurnMachine:
    """One conversation's turns. Call `handle` for each event, `handle_timeout` when `next_deadline` has passed."""

    policy: TurnPolicy
    user: UserState = UserState.IDLE
    bot: BotState = BotState.SILENT
    is_held: bool = False
    _turn_deadline: float | None = None
    _turn_limit: float = 0.0
    _text_deadline: float | None = None
    _idle_deadline: float | None = None
    _digits_deadline: float | None = None
    _hold_deadline: float | None = None
    _linger_deadline: float | None = None
    _digits: str = ""
    _texts: list[str] = field(default_factory=list[str])
    _is_listening: bool = False
    _texts_due: int = 0
    _is_voiced: bool = False
    _speech_began: float = 0.0
    _speech_s: float = 0.0
    _idle_count: int = 0
    _cut_short: bool = False
    _is_asked: bool = False
    _is_unanswered: bool = False
    _is_silenced: bool = False
    _is_voice_on: bool = False
    _voice_began_at: float = 0.0
    _voice_s: float = 0.0
    _paused_at: float = -inf
    _aside: str = ""
    _pause_known: PauseText | None = None
    _has_pitch: bool = False
    _is_echo: bool = False
    _has_let_go: bool = False
    _is_held_again: bool = False

    @property
    def digits(self) -> str:
        """The keys of an entry that is not complete."""
        return self._digits

    @property
    def idle_count(self) -> int:
        """How often in a row the caller was idle."""
        return self._idle_count

    @property
    def is_free(self) -> bool:
        """Whether there is no turn on the caller's side: no voice, no utterance, no text that is still to come."""
        is_busy = self._is_voice_on or self._is_listening or bool(self._texts_due) or self.is_held
        return self.user is UserState.IDLE and not is_busy

    def restore(self, digits: str, idle_count: int, now: float) -> None:
        """Goes on from there, with the caller's idle time begun anew."""
        self._digits, self._idle_count = digits, idle_count
        if digits:
            self._digits_deadline = now + self.policy.digits_timeout_s
        self._arm_idle(now)

    def handle(self, event: Event, now: float) -> list[Action]:
        """The actions that this event asks for, in the order in which they are to be carried out."""
        actions: list[Action] = []
        row = self._table.get((self.user, type(event))) or self._anytime.get(type(event))
        if row is not None:
            row(self, event, now, actions)
        return actions

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is to be called."""
        deadlines = [
            deadline
            for deadline in (
                self._turn_deadline,
                self._text_deadline,
                self._idle_deadline,
                self._digits_deadline,
                self._hold_deadline,
                self._linger_deadline,
            )
            if deadline is not None
        ]
        return min(deadlines) if deadlines else None

    def handle_timeout(self, now: float) -> list[Action]:
        """The actions of every deadline that has passed."""
        actions: list[Action] = []
        if self._hold_deadline is not None and now >= self._hold_deadline:
            self._hold_deadline = None
            if self.user is UserState.IDLE:  # a voice that became no speech, or whose end is never heard of
                self._release(actions)
            else:
                self._let_go(actions)
        if self._linger_deadline is not None and now >= self._linger_deadline:
            self._conclude(now, actions)
        if self._turn_deadline is not None and now >= self._turn_deadline:
            self._end_turn(now, actions)
        if self._text_deadline is not None and now >= self._text_deadline:
            self._text_deadline = None
            if (
                self.user is UserState.DECIDING
            ):  # else the caller goes on, and the next finish sets a deadline of its own
                actions.append(CancelListening())
                self._texts_due = 0
                self._conclude(now, actions)
        if self._digits_deadline is not None and now >= self._digits_deadline:
            self._complete_digits(now, actions)
        if self._idle_deadline is not None and now >= self._idle_deadline:
            self._idle_deadline = None
            self._idle_count += 1
            actions.append(Notify(USER_IDLE))
            if self.policy.max_idle and self._idle_count >= self.policy.max_idle:
                actions.append(EndCall("idle"))
            elif self.policy.max_idle:  # where the caller is asked something now, the next period begins behind that
                self._arm_idle(now)
        return actions

    # The caller's voice

    def _voice_began(self, _event: Event, now: float, actions: list[Action]) -> None:
        self._voice_on(now)
        self._has_pitch = True
        latest = min(now + RESUME_S, self._paused_at + self.policy.unfinished_stop_s + RESUME_S, self._turn_limit)
        if self.user is UserState.PAUSED and self._turn_deadline is not None:
            self._turn_deadline = max(self._turn_deadline, latest)
        if self._linger_deadline is not None:
            self._linger_deadline = max(self._linger_deadline, latest)
        if self._may_listen():
            self._hold(now, actions)

    def _voice_ended(self, _event: Event, now: float, actions: list[Action]) -> None:
        if self._is_voice_on:
            self._voice_off(now)
            self._expect_words(now)
        if self.is_held and self.user is UserState.SPEAKING and self._may_be_backchannel():
            actions.append(PauseListening())  # what it was decides whether the agent goes on
        self._let_go(actions)

    def _voice_on(self, now: float) -> None:
        self._pause_known = None
        if not self._is_voice_on:
            self._is_voice_on, self._voice_began_at = True, now

    def _voice_off(self, now: float) -> None:
        if self._is_voice_on:
            self._is_voice_on = False
            self._voice_s += now - self._voice_began_at

    def _hold(self, now: float, actions: list[Action]) -> None:
        if self.bot is not BotState.SILENT and voice_holds(self.policy, self.bot) and not self.is_held:
            self.is_held, self._is_held_again = True, self._has_let_go
            self._hold_deadline = now + self.policy.hold_s
            actions.append(HoldBot())

    def _let_go(self, actions: list[Action]) -> None:
        """Lets the agent go on where the voice that holds it is over, and too short to be more than agreement.

        One that goes on behind a breath says more than "uh huh": an agent that spoke in each gap would be heard in pieces.
        """
        if not self.is_held or self._is_voice_on:
            return
        goes_on = self._is_held_again and self._voice_s > TWO_SYLLABLES_S
        is_pending = self.bot is BotState.THINKING or goes_on or not self._may_be_backchannel()
        if self._hold_deadline is None and (self.user is UserState.IDLE or not is_pending):
            self._release(actions)

    def _expect_words(self, now: float) -> None:
        """The voice that holds the agent is over: what it was may be known in a moment."""
        if self.is_held and self.bot is BotState.SPEAKING and self.user is not UserState.IDLE:
            wait_s = WORDS_S if self._voice_s <= SHORT_VOICE_S else WORDS_LONG_S
            self._hold_deadline = max(self._hold_deadline or 0.0, now + wait_s)

    def _release(self, actions: list[Action]) -> None:
        self.is_held, self._hold_deadline = False, None
        self._has_let_go = self.user is not UserState.IDLE
        actions.append(ReleaseBot())

    def _speech_began_idle(self, event: SpeechBegan, now: float, actions: list[Action]) -> None:
        self._is_voiced = True
        self._speech_began = now
        if not self._may_listen():
            return
        self._idle_deadline = None
        self._idle_count = 0
        self._texts.clear()
        self._speech_s = self._voice_s = 0.0
        self._aside, self._is_silenced, self._has_let_go = "", False, False
        self._begin_utterance(event, now, actions)

    def _begin_utterance(self, event: SpeechBegan, now: float, actions: list[Action]) -> None:
        self.user = UserState.SPEAKING
        self._linger_deadline = None
        if not self._is_listening:
            self._is_listening = True
            self._turn_limit = now + self.policy.turn_max_s if self.policy.turn_max_s else inf
            actions.append(StartListening())
        self._turn_deadline = self._turn_limit if self._turn_limit < inf else None
        self._voice_on(now)
        if event.is_voiced:
            self._has_pitch = True
            self._hold(now, actions)
        actions.append(Notify(USER_STARTED))

    def _speech_resumed(self, event: SpeechBegan, now: float, actions: list[Action]) -> None:
        self._is_voiced = True
        self._speech_began = now
        self._begin_utterance(event, now, actions)

    def _speech_ended(self, _event: Event, now: float, actions: list[Action]) -> None:
        self._is_voiced = False
        self._speech_s += now - self._speech_began
        if self._is_voice_on:
            self._voice_off(now)
            self._expect_words(now)
        self._paused_at = now
        self.user = UserState.PAUSED
        self._turn_deadline = min(now + self.policy.turn_stop_s, self._turn_limit)
        actions.append(PauseListening())
        actions.append(Notify(USER_STOPPED))
        self._let_go(actions)
        if self.policy.turn_stop_s <= 0:
            self._end_turn(now, actions)
        elif self._pause_known is not None:
            self._pause_text(self._pause_known, now, actions)

    def _speech_ended_unheard(self, _event: Event, now: float, actions: list[Action]) -> None:
        self._is_voiced = False
        self._voice_off(now)
        self._let_go(actions)

    def _end_turn(self, now: float, actions: list[Action]) -> None:
        self._turn_deadline = None
        if self.user is UserState.SPEAKING:
            self._speech_s += now - self._speech_began
            self._paused_at = -inf
        self.user = UserState.DECIDING
        if self._texts_due >= MAX_TEXTS_DUE:
            self._is_listening, self._texts_due = False, 0
            actions.append(CancelListening())
            self._conclude(now, actions)
            return
        if self._is_listening:
            self._is_listening = False
            self._texts_due += 1
            self._text_deadline = now + self.policy.stt_timeout_s if self.policy.stt_timeout_s else None
            actions.append(FinishListening())

    # The caller's words

    def _partial(self, event: PartialText | PauseText, now: float, actions: list[Action]) -> None:
        if self.bot is BotState.SILENT:
            return
        if silences(self.policy, event.text):
            self._is_silenced = True
            self._interrupt(actions)
        elif words_interrupt(self.policy, self.bot, event.text):
            self._is_unanswered = self.bot is BotState.THINKING and self._is_asked
            self._interrupt(actions)

    def _pause_text(self, event: PauseText, now: float, actions: list[Action]) -> None:
        self._partial(event, now, actions)
        if self.is_held and self.bot is BotState.SPEAKING and is_backchannel(event.text, self.policy.language):
            self._release(actions)
        if self.user is UserState.SPEAKING and not self._is_voice_on:
            self._pause_known = event
        if self.policy.follows_words and self.user is UserState.PAUSED:
            self._end_after(self._judge(event.text, event.expected), now, actions)

    def _turn_judged(self, event: TurnJudged, now: float, actions: list[Action]) -> None:
        self._end_after(event.verdict, now, actions)

    def _end_after(self, verdict: Completeness, now: float, actions: list[Action]) -> None:
        """Has the pause under way end the turn sooner or later, by what the caller has said."""
        stop_s = {
            Completeness.COMPLETE: min(self.policy.complete_stop_s, self.policy.turn_stop_s),
            Completeness.UNKNOWN: self.policy.turn_stop_s,
            Completeness.UNFINISHED: max(self.policy.unfinished_stop_s, self.policy.turn_stop_s),
        }[verdict]
        self._turn_deadline = min(self._paused_at + stop_s, self._turn_limit)
        if self._is_voice_on:
            self._turn_deadline = max(self._turn_deadline, min(self._voice_began_at + RESUME_S, self._turn_limit))
        if self._turn_deadline <= now:
            self._end_turn(now, actions)

    def _text(self, event: TextArrived, now: float, actions: list[Action]) -> None:
        if not self._texts_due:
            return
        self._texts_due -= 1
        self._is_echo = event.is_echo
        if event.text.strip():
            self._texts.append(event.text.strip())
        if self._texts_due or self.user is not UserState.DECIDING:
            return
        until = self._worth_waiting(event.expected)
        if until > now:
            self._text_deadline, self._linger_deadline = None, until
        else:
            self._conclude(now, actions)

    def _worth_waiting(self, expected: Expected) -> float:
        """Until when the caller may go on, where the transcript is unfinished or a voice is there again."""
        if not self.policy.follows_words or self._paused_at == -inf:
            return -inf
        until = self._voice_began_at + RESUME_S if self._is_voice_on else -inf
        if self._texts and self._judge("", expected) is Completeness.UNFINISHED:
            until = max(until, self._paused_at + self.policy.unfinished_stop_s)
        return until

    def _judge(self, text: str, expected: Expected) -> Completeness:
        said = " ".join([*self._texts, text.strip()]).strip()
        return judge(said, language=self.policy.language, expected=expected)

    def _conclude(self, now: float, actions: list[Action]) -> None:
        self._text_deadline = self._linger_deadline = None
        self.user = UserState.IDLE
        words = " ".join(self._texts)
        self._texts.clear()
        self._decide(words, now, actions)
        self._has_pitch = False

    def _decide(self, words: str, now: float, actions: list[Action]) -> None:
        was_silenced, self._is_silenced = self._is_silenced, False
        if was_silenced and (not words or is_silencer(words, self.policy.language)):
            self._arm_idle(now)
            return
        if self.bot is BotState.SILENT:
            if words or self._is_unanswered:
                self._respond(words, actions)
                return
            self._arm_idle(now)
            if self._has_pitch and not self._is_echo and self._speech_s >= self.policy.min_lost_speech_s:
                actions.append(NotUnderstood())
            return
        if silences(self.policy, words):
            self._interrupt(actions)
            self._cut_short = False
            self._arm_idle(now)
        elif words and words_interrupt(self.policy, self.bot, words):
            self._interrupt(actions)
            self._respond(words, actions)
        else:
            self._aside = words if self.bot is BotState.SPEAKING else ""
            if self.is_held:
                self._release(actions)

    def _typed(self, event: TypedText, now: float, actions: list[Action]) -> None:
        self._take_over(now, actions)
        if event.text.strip():
            self._respond(event.text.strip(), actions)
        else:
            self._arm_idle(now)

    def _digit(self, event: DigitEntered, now: float, actions: list[Action]) -> None:
        self._take_over(now, actions)
        if event.digit != "#":
            self._digits += event.digit
        full = len(self._digits) >= (self.policy.max_digits or MAX_DIGITS)
        if event.digit == "#" or full or self.policy.digits_timeout_s <= 0:
            self._complete_digits(now, actions)
        else:
            self._digits_deadline = now + self.policy.digits_timeout_s

    def _complete_digits(self, now: float, actions: list[Action]) -> None:
        digits, self._digits, self._digits_deadline = self._digits, "", None
        if digits:
            self._take_over(now, actions)
            self._respond(f"{KEYS}{digits}", actions, is_digits=True)
        else:  # a lone `#`
            self._arm_idle(now)

    def _take_over(self, now: float, actions: list[Action]) -> None:
        """Text and keys cut everything else short, also where voice may not."""
        self._idle_deadline = None
        self._idle_count = 0
        if self._is_listening or self._texts_due:
            self._is_listening, self._texts_due = False, 0
            self._turn_deadline = self._text_deadline = None
            actions.append(CancelListening())
        self._texts.clear()
        self._linger_deadline = None
        self._is_unanswered = self._is_silenced = False
        if self.user is UserState.SPEAKING:
            actions.append(Notify(USER_STOPPED))
        self.user = UserState.IDLE
        if self.bot is not BotState.SILENT:
            self._interrupt(actions)

    # The agent's side

    def _bot_thinking(self, _event: Event, now: float, actions: list[Action]) -> None:
        self.bot = BotState.THINKING
        self.is_held, self._hold_deadline = False, None
        self._is_asked = self._is_unanswered = False
        self._aside = ""
        self._idle_deadline = None

    def _bot_audible(self, _event: Event, now: float, actions: list[Action]) -> None:
        if self.bot is BotState.THINKING:
            self.bot = BotState.SPEAKING
            self._cut_short = False

    def _bot_finished(self, _event: Event, now: float, actions: list[Action]) -> None:
        self.bot = BotState.SILENT
        self.is_held, self._hold_deadline = False, None
        self._cut_short = False
        aside, self._aside = self._aside, ""
        if self.user is UserState.IDLE:
            if self._is_voiced:  # the caller began while the agent could not be interrupted
                self._speech_began_idle(SpeechBegan(), now, actions)
            elif aside and now - self._paused_at <= self.policy.answer_overlap_s:
                self._respond(aside, actions)
            else:
                self._arm_idle(now)

    def _interrupt(self, actions: list[Action]) -> None:
        was_heard = self.bot is BotState.SPEAKING
        self._cut_short = not was_heard
        self.bot = BotState.SILENT
        self.is_held, self._hold_deadline = False, None
        actions.append(Interrupt(was_heard=was_heard))

    def _respond(self, words: str, actions: list[Action], *, is_digits: bool = False) -> None:
        self._idle_deadline = None
        continues, self._cut_short = self._cut_short, False
        self.bot = BotState.THINKING
        self._is_asked, self._is_unanswered = True, False
        actions.append(Respond(words, continues=continues, is_digits=is_digits))

    # The rules

    def _may_be_backchannel(self) -> bool:
        return self._voice_s <= self.policy.backchannel_s

    def _may_listen(self) -> bool:
        return self.bot is BotState.SILENT or self.policy.allow_interruptions

    def _arm_idle(self, now: float) -> None:
        self._idle_deadline = now + self.policy.idle_timeout_s if self.policy.idle_timeout_s else None

    # Rows hold for one state of the caller; events without a row of the state are looked up in `_anytime`.

    _table: ClassVar[dict[tuple[UserState, type[Event]], _Row]] = {
        (UserState.IDLE, SpeechBegan): _speech_began_idle,
        (UserState.PAUSED, SpeechBegan): _speech_resumed,
        (UserState.DECIDING, SpeechBegan): _speech_resumed,
        (UserState.SPEAKING, SpeechEnded): _speech_ended,
        (UserState.IDLE, SpeechEnded): _speech_ended_unheard,
        (UserState.PAUSED, SpeechEnded): _speech_ended_unheard,
        (UserState.DECIDING, SpeechEnded): _speech_ended_unheard,
        (UserState.SPEAKING, PartialText): _partial,
        (UserState.PAUSED, PartialText): _partial,
        (UserState.DECIDING, PartialText): _partial,
        (UserState.SPEAKING, PauseText): _pause_text,
        (UserState.PAUSED, PauseText): _pause_text,
        (UserState.DECIDING, PauseText): _pause_text,
        (UserState.PAUSED, TurnJudged): _turn_judged,
    }
    _anytime: ClassVar[dict[type[Event], _Row]] = {
        VoiceBegan: _voice_began,
        VoiceEnded: _voice_ended,
        TextArrived: _text,
        TypedText: _typed,
        DigitEntered: _digit,
        BotThinking: _bot_thinking,
        BotAudible: _bot_audible,
        BotFinished: _bot_finished,
    }
