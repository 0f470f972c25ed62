"""Who has answered a call that the agent makes, and what follows: greet a person, leave a message behind the beep, answer a screening, work a menu.

Until that is known the greeting waits, and what is heard decides instead of being answered. A voicemail hears nothing of the caller's
side any more: neither its greeting nor its beep interrupts the message.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vox.agent.answering.classification import MODEL_PROMPT, AnsweredBy, classify, from_model, machine_in
from vox.agent.answering.settings import Answering
from vox.agent.call.caller_input import CallerInput
from vox.agent.call.conversation import Conversation, fill
from vox.agent.config.resources import Agent
from vox.agent.tools.contract import Tool
from vox.agent.tools.settings import no_parameters
from vox.agent.turns import events
from vox.media.beep import BeepDetector
from vox.protocols.agent_events import AgentEvent, ClientVadUpdate, ServerMessage
from vox.providers.llm.contract import Declared, LanguageModel, LlmRequest, TextDelta, ToolCall, ToolSpec
from vox.runtime.logging import get_logger

log = get_logger(__name__)

VARIABLE: Final = "answered_by"
MODEL_TIMEOUT_S: Final = 3.0
MAX_GREETING_S: Final = 60.0
"""A voicemail greeting that has not ended by then never will."""
BEEP_PAUSE_S: Final = 0.3
MAX_SCREENINGS: Final = 2
MAX_MODEL_ANSWER: Final = 400
_MENU_PROMPT: Final = (
    "\n\nYou have called and reached an automated telephone menu; what you hear now are its announcements. Your goal there: {goal}."
    " Press keys with the tool press_keys, or answer with the few words that the menu asks for. Call wait_for_menu when it has not yet"
    " said what you need, or puts you on hold; say nothing to it then. Call leave_menu as soon as a person speaks. Call end_call when"
    " the goal cannot be reached."
)
WAIT: Final = ToolSpec(
    "wait_for_menu", "Says nothing and waits for what the telephone menu says next.", no_parameters()
)
LEAVE: Final = ToolSpec("leave_menu", "A person has come to the telephone: the menu is over.", no_parameters())


Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Says(Protocol):
    """Says a text; `then_end` is why the call ends once it was heard."""

    def __call__(self, text: str, *, then_end: str | None = None) -> None:
        """Says it, in place of what is being said."""
        ...


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """What the call does once it is known who answered.

    Attributes:
        greet: begins the conversation with a person who has said this, or nothing.
        say: says a text.
        respond: has the model answer the conversation.
        end: ends the call, for a reason.
        guard: runs what a timer does, so that a failure ends this call and nothing else.
    """

    greet: Callable[[str], None]
    say: Says
    respond: Callable[[], None]
    end: Callable[[str], None]
    guard: Callable[..., None]


class CallAnswering:
    """Finds out who answered one call.

    Args:
        settings: of the agent.
        call: does what follows.
        model: is asked where words do not tell.
        conversation: whose system prompt tells of a menu.
        variables: of the session, in which the outcome is kept.
        tell: takes what the client should know.
    """

    def __init__(
        self,
        settings: Answering,
        call: AnsweredCall,
        model: LanguageModel,
        conversation: Conversation,
        variables: dict[str, str],
        *,
        tell: Callable[[AgentEvent], None],
    ) -> None:
        self._settings = settings
        self._call = call
        self._model = model if settings.use_model and not isinstance(model, Declared) else None
        self._can_navigate = bool(settings.menu_goal) and not isinstance(model, Declared)
        self._conversation = conversation
        self._prompt = conversation.system_prompt
        self._variables = variables
        self._tell = tell
        self._input: CallerInput | None = None
        self._stop_s = 0.0
        self._is_begun = self._is_speaking = False
        self._outcome: AnsweredBy | None = None
        self._is_leaving = False
        self._screenings = 0
        self._text = ""
        self._timer: asyncio.TimerHandle | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._spawn: Spawn | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_undecided(self) -> bool:
        """Whether it is still to be found out."""
        return self._outcome is None

    @property
    def is_person(self) -> bool:
        """Whether a person is known to be there."""
        return self._outcome is AnsweredBy.PERSON

    def open(self, spawn: Spawn, speech_input: CallerInput) -> None:
        """Gives the way to start work that the call owns, and the line's ear."""
        self._spawn, self._input, self._stop_s = spawn, speech_input, speech_input.stop_s

    def begin(self) -> bool:
        """The call could be greeted; False where it shall be, because it is known who is there."""
        if self.is_undecided and not self._is_begun:
            self._is_begun = True
            self._after(self._settings.silence_secs, lambda: self._decide(AnsweredBy.PERSON))
        return self.is_undecided

    def close(self) -> None:
        """The call is over; idempotent."""
        for timer in (self._timer, self._limit):
            if timer is not None:
                timer.cancel()

    def tools(self) -> dict[str, Tool]:
        """What the model needs in menus."""
        if not self._can_navigate:
            return {}
        return {WAIT.name: Tool(WAIT, self._wait, ends_answer=True), LEAVE.name: Tool(LEAVE, self._leave)}

    def hears(self, event: events.Event) -> bool:
        """Takes an event of the caller's side; whether it goes no further."""
        began = isinstance(event, events.SpeechBegan | events.VoiceBegan)
        ended = isinstance(event, events.SpeechEnded)
        if began or ended:
            self._is_speaking = began
        if self._outcome is AnsweredBy.VOICEMAIL:
            if began and not self._is_leaving:
                self._stop_timer()
            elif ended and not self._is_leaving:
                self._after(self._settings.voicemail_quiet_secs, self._leave_message)
            return True
        if self.is_undecided and began:
            self._stop_timer()
        text = event.text if isinstance(event, events.PartialText | events.PauseText) else ""
        if self.is_undecided and text and machine_in(f"{self._text} {text}") is AnsweredBy.VOICEMAIL:
            self._decide(AnsweredBy.VOICEMAIL)
            return True
        return False

    def takes(self, action: events.Action) -> bool:
        """Takes an action of the turn machine; whether it is not to be carried out."""
        if self._outcome is AnsweredBy.VOICEMAIL:
            return True
        if not self.is_undecided:
            return False
        match action:
            case events.Respond():
                self._heard(action.text)
                return True
            case events.NotUnderstood():
                self._after(self._settings.silence_secs, lambda: self._decide(AnsweredBy.PERSON))
                return True
            case events.EndCall():
                return True
            case events.Notify():
                return action.what == events.USER_IDLE
            case _:
                return False

    def _heard(self, text: str) -> None:
        self._stop_timer()
        self._text = f"{self._text} {text}".strip()
        kind = classify(self._text)
        if kind is not None:
            self._decide(kind)
        elif self._model is None or self._spawn is None:
            self._decide(AnsweredBy.PERSON)
        elif self._asking is None or self._asking.done():
            self._asking = self._spawn(self._ask(self._model), "who answered")

    async def _ask(self, model: LanguageModel) -> None:
        """Asks the model; where it fails or takes long, it is a person."""
        kind, asked = None, self._text
        request = LlmRequest(({"role": "system", "content": MODEL_PROMPT}, {"role": "user", "content": asked}))
        answer = ""
        try:
            async with asyncio.timeout(MODEL_TIMEOUT_S), aclosing(model.respond(request)) as stream:
                async for event in stream:
                    if isinstance(event, TextDelta):
                        answer += event.text
                    if len(answer) > MAX_MODEL_ANSWER:
                        break
            kind = from_model(answer)
        except Exception as error:  # noqa: BLE001  whatever a driver raises, the call goes on
            log.warning("the model could not say who answered", error=type(error).__name__)
        if self.is_undecided:
            self._decide(kind or AnsweredBy.PERSON)

    def _decide(self, kind: AnsweredBy) -> None:
        self._stop_timer()
        if kind is AnsweredBy.SCREENING and self._screenings < MAX_SCREENINGS:
            self._report(kind)
            self._screenings += 1
            heard, self._text = self._text, ""
            self._answer(heard, fill(self._settings.screening_message, self._variables))
            return
        self._outcome = kind
        self._report(kind)
        if kind is AnsweredBy.VOICEMAIL:
            self._await_beep()
        elif kind is AnsweredBy.MENU and self._can_navigate:
            goal = fill(self._settings.menu_goal, self._variables)
            self._conversation.system_prompt = self._prompt + _MENU_PROMPT.format(goal=goal)
            self._pause(self._settings.menu_pause_secs)
            self._answer(self._text, "")
        else:
            self._call.greet(self._text)

    def _answer(self, heard: str, text: str) -> None:
        """Says a text to what was heard; without a text the model answers it."""
        if heard:
            self._conversation.hear(heard)
        if text:
            self._call.say(text)
        else:
            self._call.respond()

    def _pause(self, seconds: float) -> None:
        if self._input is not None:
            self._input.update(ClientVadUpdate(stop_s=seconds))

    def _report(self, kind: AnsweredBy) -> None:
        self._variables[VARIABLE] = kind.value
        log.info("call answered", by=kind.value)
        self._tell(ServerMessage({"type": "answered-by", "by": kind.value}))

    # Voicemail

    def _await_beep(self) -> None:
        if not self._settings.voicemail_message:
            self._call.end("voicemail")
            return
        if self._input is not None:
            self._input.cancel()
        if self._input is not None and self._input.sample_rate:
            self._input.hear_tones(BeepDetector(self._input.sample_rate).push, self._beeped)
        if not self._is_speaking:
            self._after(self._settings.voicemail_quiet_secs, self._leave_message)
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(MAX_GREETING_S, self._call.guard, self._give_up)

    def _beeped(self) -> None:
        if not self._is_leaving:
            self._after(BEEP_PAUSE_S, self._leave_message)

    def _leave_message(self) -> None:
        self._is_leaving = True
        self._call.say(fill(self._settings.voicemail_message, self._variables), then_end="voicemail")

    def _give_up(self) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            self._call.end("voicemail")

    # Menus

    async def _wait(self, _call: ToolCall, _arguments: Mapping[str, Any]) -> dict[str, str]:
        return {"status": "waiting"}

    async def _leave(self, _call: ToolCall, _arguments: Mapping[str, Any]) -> dict[str, str]:
        self._conversation.system_prompt = self._prompt
        self._pause(self._stop_s)
        self._report(AnsweredBy.PERSON)
        return {"status": "A person is on the line now. Introduce yourself and begin the conversation."}

    # Time

    def _after(self, seconds: float, work: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._call.guard, work)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def detection(
    agent: Agent,
    call: AnsweredCall,
    conversation: Conversation,
    variables: dict[str, str],
    tell: Callable[[AgentEvent], None],
) -> CallAnswering | None:
    """Finds out who answered, where the agent asks for it."""
    settings = agent.profile.answering
    if not settings.detect or agent.realtime is not None:
        return None
    return CallAnswering(settings, call, agent.llm, conversation, variables, tell=tell)
