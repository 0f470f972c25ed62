"""The vocabulary of turn taking: the policy, the events that come in, and the actions that follow.

Events go into `vox.agent.turns.machine.TurnMachine`, actions come out; all of them are plain values.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vox.agent.turns.completeness import Completeness, Expected

KEYS: Final = "DTMF: "
"""Begins the text that tells the model of keys that were pressed."""


class UserState(StrEnum):
    """The caller's side of the turn."""

    IDLE = "idle"
    SPEAKING = "speaking"
    PAUSED = "paused"
    DECIDING = "deciding"


class BotState(StrEnum):
    """The agent's side of the turn."""

    SILENT = "silent"
    THINKING = "thinking"
    SPEAKING = "speaking"


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """The settings of turn taking; all times in seconds, 0 turns a time-out off.

    Attributes:
        turn_stop_s: silence after the voice activity detector's own stop time that ends the caller's turn.
        turn_max_s: ends an utterance that goes on for so long, pauses included (noise that the detector takes for speech;
            bounds memory).
        stt_timeout_s: how long a transcript may take before the turn ends without it.
        allow_interruptions: whether the caller may cut in at all.
        min_words: words needed to interrupt (0: voice is enough to hold the agent, any word to interrupt).
        keywords: if not empty, only an utterance with one of these words interrupts. Neither counts before the answer is
            audible: nothing is interrupted then, the caller's turn goes on.
        idle_timeout_s: silence after the agent's last word until the caller counts as idle.
        max_idle: the call ends after so many idle periods in a row (0: never).
        digits_timeout_s: pause after the last digit that completes an entry; `#` completes it at once.
        max_digits: an entry is complete at so many digits (0: no limit but 64).
        min_lost_speech_s: speech at least this long without a transcript counts as not understood, less as noise.
        follows_words: whether the pause that ends a turn depends on what was said (`complete_stop_s`, `unfinished_stop_s`).
        complete_stop_s: silence, as `turn_stop_s`, behind a text that is a whole turn.
        unfinished_stop_s: silence behind a text that is plainly unfinished.
        language: of the caller (BCP-47), for what the words mean; empty: English.
        hold_s: how long a voice without words may hold the agent, where it ends within `backchannel_s`.
        backchannel_s: a voice that lasts longer holds the agent until it is known what was said.
        answer_overlap_s: words of agreement so shortly before the agent's last word are an answer.
    """

    turn_stop_s: float = 0.5
    turn_max_s: float = 60.0
    stt_timeout_s: float = 5.0
    allow_interruptions: bool = True
    min_words: int = 0
    keywords: tuple[str, ...] = ()
    idle_timeout_s: float = 0.0
    max_idle: int = 0
    digits_timeout_s: float = 2.0
    max_digits: int = 0
    min_lost_speech_s: float = 0.2
    follows_words: bool = False
    complete_stop_s: float = 0.25
    unfinished_stop_s: float = 1.6
    language: str = ""
    hold_s: float = 0.25
    backchannel_s: float = 0.7
    answer_overlap_s: float = 1.0


@dataclass(frozen=True, slots=True)
class VoiceBegan:
    """A voice is heard that may become speech: the detector's early sign, which a short sound gives too."""


@dataclass(frozen=True, slots=True)
class VoiceEnded:
    """The voice is gone, perhaps only between two words."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The voice activity detector hears the caller. `is_voiced` is False for a sound without pitch: a cough, a knock."""

    is_voiced: bool = True


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The voice activity detector hears the caller no more."""


@dataclass(frozen=True, slots=True)
class PartialText:
    """The recogniser's text so far of the utterance under way."""

    text: str


@dataclass(frozen=True, slots=True)
class PauseText:
    """The recogniser's text of all that was said up to the pause under way; `expected` is the open question's kind."""

    text: str
    expected: Expected = ""


@dataclass(frozen=True, slots=True)
class TurnJudged:
    """A model has heard whether the caller goes on behind the pause under way."""

    verdict: Completeness


@dataclass(frozen=True, slots=True)
class TextArrived:
    """The final transcript of the utterance that was finished; empty where nothing was understood or STT failed.

    `is_echo`: it was the agent's own voice, or talk that is not for the agent, so that nothing was said.
    """

    text: str
    expected: Expected = ""
    is_echo: bool = False


@dataclass(frozen=True, slots=True)
class TypedText:
    """A complete turn that came as text."""

    text: str


@dataclass(frozen=True, slots=True)
class DigitEntered:
    """A key was pressed."""

    digit: str


@dataclass(frozen=True, slots=True)
class BotThinking:
    """An answer is being made."""


@dataclass(frozen=True, slots=True)
class BotAudible:
    """The first audio of an answer went out."""


@dataclass(frozen=True, slots=True)
class BotFinished:
    """The answer was played to its end, or turned out to have no audio."""


Event = (
    VoiceBegan
    | VoiceEnded
    | SpeechBegan
    | SpeechEnded
    | PartialText
    | PauseText
    | TurnJudged
    | TextArrived
    | TypedText
    | DigitEntered
    | BotThinking
    | BotAudible
    | BotFinished
)


@dataclass(frozen=True, slots=True)
class StartListening:
    """Begin an utterance at the recogniser, with the audio from before the speech."""


@dataclass(frozen=True, slots=True)
class PauseListening:
    """The caller fell silent, perhaps only for breath."""


@dataclass(frozen=True, slots=True)
class FinishListening:
    """Ask the recogniser for the final transcript."""


@dataclass(frozen=True, slots=True)
class CancelListening:
    """Throw the utterance away."""


@dataclass(frozen=True, slots=True)
class HoldBot:
    """Stop the agent's audio at once, but keep what it was going to say."""


@dataclass(frozen=True, slots=True)
class ReleaseBot:
    """It was no interruption: the agent goes on."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The agent's answer ends at what was heard. `was_heard` is False where no audio had gone out."""

    was_heard: bool


@dataclass(frozen=True, slots=True)
class Respond:
    """The caller's turn is complete. `continues` joins the text to the caller's last message, which was not answered.

    `is_digits`: the text tells of keys that were pressed.
    Without a text the answer to that message is to be made again: a sound was taken for words, and cut it off unheard.
    """

    text: str
    continues: bool = False
    is_digits: bool = False


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """The caller spoke, and the recogniser gave no text."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the client: the caller's turn began or ended, or the caller is idle."""

    what: str


@dataclass(frozen=True, slots=True)
class EndCall:
    """The call is to end, because the caller has stayed silent."""

    reason: str


Action = (
    StartListening
    | PauseListening
    | FinishListening
    | CancelListening
    | HoldBot
    | ReleaseBot
    | Interrupt
    | Respond
    | NotUnderstood
    | Notify
    | EndCall
)

USER_STARTED = "user_started"
USER_STOPPED = "user_stopped"
USER_IDLE = "user_idle"
MAX_DIGITS = 64
