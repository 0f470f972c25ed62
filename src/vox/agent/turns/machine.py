"""Who has the turn: the pure state machine of a conversation.

It takes events with their time and returns actions; it owns no task, socket or clock. Every way in which a turn may
end, be cut off or never come is a row of `TurnMachine._table`, so read that first.

    IDLE ──speech──▶ SPEAKING ──silence──▶ PAUSED ──turn_stop_s──▶ DECIDING ──transcript──▶ IDLE (+ Respond)
                        ▲                    │                        │
                        └────────speech──────┴────────speech──────────┘

The agent's side is `BotState`: SILENT, THINKING (an answer is being made, nothing was heard), SPEAKING. Speech of the
caller during THINKING or SPEAKING first *holds* the agent's output; words then make it an interruption, no words let
the agent go on where it stopped. Events, actions and the policy are in `turn_events.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

from vox.agent.turns.events import (
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
    ReleaseBot,
    Respond,
    SpeechBegan,
    SpeechEnded,
    StartListening,
    TextArrived,
    TurnPolicy,
    TypedText,
    UserState,
)
from vox.text.words import contains_phrase, count_words

MAX_TEXTS_DUE = 8
"""Transcripts that may be awaited at once; a recogniser that owes more has ceased to answer."""

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
            for deadline in (self._turn_deadline, self._text_deadline, self._idle_deadline, self._digits_deadline)
            if deadline is not None
        ]
        return min(deadlines) if deadlines else None

    def handle_timeout(self, now: float) -> list[Action]:
        """The actions of every deadline that has passed."""
        actions: list[Action] = []
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

    def _speech_began_idle(self, _event: Event, now: float, actions: list[Action]) -> None:
        self._is_voiced = True
        self._speech_began = now
        if not self._may_listen():
            return
        self._idle_deadline = None
        self._idle_count = 0
        self._texts.clear()
        self._speech_s = 0.0
        self._begin_utterance(now, actions)

    def _begin_utterance(self, now: float, actions: list[Action]) -> None:
        self.user = UserState.SPEAKING
        if not self._is_listening:
            self._is_listening = True
            self._turn_limit = now + self.policy.turn_max_s if self.policy.turn_max_s else inf
            actions.append(StartListening())
        self._turn_deadline = self._turn_limit if self._turn_limit < inf else None
        if self.bot is not BotState.SILENT and self._voice_holds() and not self.is_held:
            self.is_held = True
            actions.append(HoldBot())
        actions.append(Notify(USER_STARTED))

    def _speech_resumed(self, _event: Event, now: float, actions: list[Action]) -> None:
        self._is_voiced = True
        self._speech_began = now
        self._begin_utterance(now, actions)

    def _speech_ended(self, _event: Event, now: float, actions: list[Action]) -> None:
        self._is_voiced = False
        self._speech_s += now - self._speech_began
        self.user = UserState.PAUSED
        self._turn_deadline = min(now + self.policy.turn_stop_s, self._turn_limit)
        actions.append(PauseListening())
        actions.append(Notify(USER_STOPPED))
        if self.policy.turn_stop_s <= 0:
            self._end_turn(now, actions)

    def _speech_ended_unheard(self, _event: Event, now: float, actions: list[Action]) -> None:
        self._is_voiced = False

    def _end_turn(self, now: float, actions: list[Action]) -> None:
        self._turn_deadline = None
        if self.user is UserState.SPEAKING:
            self._speech_s += now - self._speech_began
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

    def _partial(self, event: PartialText, now: float, actions: list[Action]) -> None:
        if self.bot is not BotState.SILENT and self._words_interrupt(event.text):
            self._is_unanswered = self.bot is BotState.THINKING and self._is_asked
            self._interrupt(actions)

    def _text(self, event: TextArrived, now: float, actions: list[Action]) -> None:
        if not self._texts_due:
            return
        self._texts_due -= 1
        if event.text.strip():
            self._texts.append(event.text.strip())
        if not self._texts_due and self.user is UserState.DECIDING:
            self._conclude(now, actions)

    def _conclude(self, now: float, actions: list[Action]) -> None:
        self._text_deadline = None
        self.user = UserState.IDLE
        words = " ".join(self._texts)
        self._texts.clear()
        self._decide(words, now, actions)

    def _decide(self, words: str, now: float, actions: list[Action]) -> None:
        if self.bot is BotState.SILENT:
            if words or self._is_unanswered:
                self._respond(words, actions)
                return
            self._arm_idle(now)
            if self._speech_s >= self.policy.min_lost_speech_s:
                actions.append(NotUnderstood())
            return
        if words and self._words_interrupt(words):
            self._interrupt(actions)
            self._respond(words, actions)
        elif self.is_held:
            self.is_held = False
            actions.append(ReleaseBot())

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
            self._respond(f"DTMF: {digits}", actions)
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
        self._is_unanswered = False
        if self.user is UserState.SPEAKING:
            actions.append(Notify(USER_STOPPED))
        self.user = UserState.IDLE
        if self.bot is not BotState.SILENT:
            self._interrupt(actions)

    # The agent's side

    def _bot_thinking(self, _event: Event, now: float, actions: list[Action]) -> None:
        self.bot = BotState.THINKING
        self.is_held = False
        self._is_asked = self._is_unanswered = False
        self._idle_deadline = None

    def _bot_audible(self, _event: Event, now: float, actions: list[Action]) -> None:
        if self.bot is BotState.THINKING:
            self.bot = BotState.SPEAKING
            self._cut_short = False

    def _bot_finished(self, _event: Event, now: float, actions: list[Action]) -> None:
        self.bot = BotState.SILENT
        self.is_held = False
        self._cut_short = False
        if self.user is UserState.IDLE:
            if self._is_voiced:  # the caller began while the agent could not be interrupted
                self._speech_began_idle(SpeechBegan(), now, actions)
            else:
                self._arm_idle(now)

    def _interrupt(self, actions: list[Action]) -> None:
        was_heard = self.bot is BotState.SPEAKING
        self._cut_short = not was_heard
        self.bot = BotState.SILENT
        self.is_held = False
        actions.append(Interrupt(was_heard=was_heard))

    def _respond(self, words: str, actions: list[Action]) -> None:
        self._idle_deadline = None
        continues, self._cut_short = self._cut_short, False
        self.bot = BotState.THINKING
        self._is_asked, self._is_unanswered = True, False
        actions.append(Respond(words, continues=continues))

    # The rules

    def _may_listen(self) -> bool:
        return self.bot is BotState.SILENT or self.policy.allow_interruptions

    def _voice_holds(self) -> bool:
        return self.bot is BotState.THINKING or not (self.policy.min_words or self.policy.keywords)

    def _words_interrupt(self, text: str) -> bool:
        count = count_words(text)
        if not count or not self.policy.allow_interruptions:
            return False
        if self.bot is BotState.THINKING:  # nothing was heard that a strategy could protect: the turn goes on
            return True
        if self.policy.keywords:
            return any(contains_phrase(text, keyword) for keyword in self.policy.keywords)
        return count >= max(1, self.policy.min_words)

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
    }
    _anytime: ClassVar[dict[type[Event], _Row]] = {
        TextArrived: _text,
        TypedText: _typed,
        DigitEntered: _digit,
        BotThinking: _bot_thinking,
        BotAudible: _bot_audible,
        BotFinished: _bot_finished,
    }
