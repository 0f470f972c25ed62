"""The conversation as a pure state machine: a state and what the caller said give the next state and what is answered.

It keeps nothing: a call's state is the fold of `step` over its user messages, so a barge-in, a merged turn or a restart
cannot put it out of step with the context.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from vox.providers.flows.match import FILLERS, GREETINGS, Details, Matcher
from vox.providers.flows.patterns import heard_words
from vox.providers.flows.rendering import Value, fill, iso, say, say_number
from vox.providers.flows.schema import (
    Command,
    DigitsSlot,
    Handoff,
    NumberSlot,
    PhoneSlot,
    Script,
    Slot,
    TextSlot,
    TimeSlot,
    YesNoSlot,
    command_items,
)
from vox.providers.flows.slots import accept, keyed_value, spoken_value

Phase = Literal["open", "offered", "filling", "confirming", "changing", "closed"]

_KEYS = re.compile(r"DTMF:\s*([0-9A-D*#]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to be run, and what to say after it."""

    id: str
    tool: str
    arguments: Mapping[str, int | str | bool]
    done: str
    failed: str
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do now: say these texts, run this tool, then hang up if `is_last`.

    Places such as `{vars.name}` and `{result}` are still open in the texts.
    """

    say: tuple[str, ...] = ()
    call: Call | None = None
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Where the conversation stands.

    `slots` are those of the intent being filled, or of the last one completed; `calls` the tools asked for, by the number
    of the user message that led to them.
    """

    phase: Phase = "open"
    intent: str | None = None
    slots: Mapping[str, Value] = field(default_factory=dict[str, Value])
    asking: str | None = None
    misses: int = 0
    turn: int = 0
    said: tuple[str, ...] = ()
    calls: Mapping[int, Call] = field(default_factory=dict[int, Call])


Step = tuple[State, Reply]


class Machine:
    """A flow's decisions; shared by all calls."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._matcher = Matcher(script)
        self._keys: dict[str, tuple[str, str]] = {
            command.key: ("command", name) for name, command in command_items(script) if command.key is not None
        }
        self._keys |= {
            intent.key: ("intent", name) for name, intent in script.intents.items() if intent.key is not None
        }

    def greet(self) -> Reply:
        """The first words of a call."""
        return Reply((self.script.greeting,))

    def step(self, state: State, message: str, today: date) -> Step:
        """One user message: speech, `DTMF: 123`, or both one after the other."""
        turn = state.turn + 1
        speech, reply = "", Reply()
        for number, part in enumerate(_KEYS.split(message)):
            if number % 2:
                state, more = self._pressed(state, part, today)
                reply = Reply(reply.say + more.say, more.call or reply.call, more.is_last)
            elif part.strip():
                speech = part
                state, more = self._heard(state, part, today)
                reply = Reply(reply.say + more.say, more.call or reply.call, more.is_last)
        if not speech and not reply.say and reply.call is None:
            state, reply = self._missed(state)
        if reply.call is not None:
            call = replace(reply.call, id=f"flow_{turn}")
            reply = replace(reply, call=call)
            state = replace(state, calls={**state.calls, turn: call})
        return replace(state, turn=turn, said=reply.say or state.said), reply

    def outcome(self, call: Call, result: str) -> Reply:
        """What to say when a tool has run."""
        has_failed = result.lstrip().lower().startswith(("error", "tool not found", '{"error"'))
        text = call.failed if has_failed else call.done
        if call.is_last and not has_failed:
            return Reply((text,) if text else (), is_last=True)
        return Reply(((text,) if text else ()) + (self.script.follow_up,))

    def _heard(self, state: State, speech: str, today: date) -> Step:
        words = heard_words(speech)
        if words and all(word in FILLERS for word in words) and not GREETINGS.isdisjoint(words):
            return self._ask_again(state, ())
        command = self._matcher.command(words)
        if command is not None and not (self._awaits_yes_or_no(state) and self._matcher.yes_no(words) is not None):
            return self._commanded(state, command)
        if not words:
            return self._missed(state)
        heard = self._matcher.intent(words, today)
        if state.intent is not None and state.phase in {"filling", "confirming", "changing"}:
            step = self._in_task(state, state.intent, words, today, heard.matched if heard is not None else 0)
            if step is not None:
                return step
        if heard is not None:
            return self._requested(state, heard.name, heard.details, today)
        if state.phase == "offered" and (answer := self._matcher.yes_no(words)) is not None:
            if answer[0]:
                return replace(state, phase="open", misses=0), Reply((self.script.prompt,))
            return self._commanded(state, "goodbye")
        if (entry := self._matcher.faq(words)) is not None:
            return self._ask_again(state, (entry.answer,))
        if (guessed := self._matcher.guess(words, today)) is not None:
            return self._requested(state, guessed.name, guessed.details, today)
        return self._missed(state)

    def _in_task(self, state: State, name: str, words: Sequence[str], today: date, rival: int) -> Step | None:
        """The words as an answer to what was asked, unless they fit a `rival` intent better."""
        if state.phase == "filling":
            details = self._matcher.details(name, words, today, asked=state.asking)
            if details and (details.matched >= rival or isinstance(self._asked_slot(state), TextSlot)):
                return self._filled(state, name, details, today)
            return None
        answer = self._matcher.yes_no(words)
        rest = words if answer is None else answer[1]
        details = self._matcher.details(name, rest, today)
        if not details and (answer is not None or state.phase == "changing"):
            details = self._matcher.details(name, rest, today, loose=True)
        if details and details.matched >= rival:
            return self._filled(state, name, details, today)
        if answer is not None and answer[0] and not rest and state.phase == "confirming":
            return self._completed(state, name, today)
        if (slot := self._matcher.slot_named(name, rest)) is not None and not rival:
            slots = {key: value for key, value in state.slots.items() if key != slot}
            return self._advanced(replace(state, slots=slots), name, today, ask=slot)
        if answer is not None and not answer[0] and not rest:
            return replace(state, phase="changing", misses=0), Reply(("What should I change?",))
        return None

    def _requested(self, state: State, name: str, details: Details, today: date) -> Step:
        intent = self.script.intents[name]
        is_busy = state.phase in {"filling", "confirming", "changing"}
        if intent.slots:
            slots: Mapping[str, Value] = state.slots if is_busy and state.intent == name else {}
            return self._filled(replace(state, intent=name, slots=slots), name, details, today)
        if is_busy and intent.tool is None and not intent.end:
            return self._ask_again(state, (intent.answer or "",))
        return self._completed(replace(state, intent=name, slots={}), name, today)

    def _filled(self, state: State, name: str, details: Details, today: date) -> Step:
        slots = self.script.intents[name].slots
        known = {**state.slots, **details.values}
        refused = next((slot for slot in slots if slot in details.refused), None)
        if refused is not None:
            known.pop(refused, None)
            step, reply = self._advanced(replace(state, slots=known), name, today, ask=refused)
            return replace(step, misses=state.misses + 1), Reply((self._refusal(slots[refused], today), *reply.say))
        return self._advanced(replace(state, slots=known), name, today)

    def _advanced(self, state: State, name: str, today: date, ask: str | None = None) -> Step:
        """On to the next question, the confirmation, or the end."""
        intent = self.script.intents[name]
        missing = ask or next(
            (key for key, slot in intent.slots.items() if key not in state.slots and not slot.optional), None
        )
        if missing is not None:
            text = intent.slots[missing].prompt or f"Which {intent.slots[missing].label or missing}?"
            state = replace(state, phase="filling", intent=name, asking=missing, misses=0)
            return state, Reply((self._filled_in(text, name, state.slots, today),))
        if intent.confirm is not None:
            state = replace(state, phase="confirming", intent=name, asking=None, misses=0)
            return state, Reply((self._filled_in(intent.confirm, name, state.slots, today),))
        return self._completed(replace(state, intent=name), name, today)

    def _completed(self, state: State, name: str, today: date) -> Step:
        intent = self.script.intents[name]
        done = self._filled_in(intent.done or "", name, state.slots, today)
        first = () if intent.answer is None else (self._filled_in(intent.answer, name, state.slots, today),)
        state = replace(state, phase="open", asking=None, misses=0)
        if intent.tool is not None:
            arguments = {key: iso(value) for key, value in state.slots.items()}
            call = Call(
                "", intent.tool, arguments, done, self._filled_in(intent.failed, name, state.slots, today), intent.end
            )
            return replace(state, phase="closed" if intent.end else "offered"), Reply(first, call)
        if intent.end:
            return replace(state, phase="closed"), Reply(first + ((done,) if done else ()), is_last=True)
        if done:
            return replace(state, phase="offered"), Reply((*first, done, self.script.follow_up))
        return state, Reply(first)

    def _commanded(self, state: State, name: str) -> Step:
        command = dict(command_items(self.script))[name]
        if name == "repeat":
            return replace(state, misses=0), Reply(state.said or (self.script.greeting,))
        if name == "help":
            return self._ask_again(state, (command.answer,) if command.answer else ())
        if name == "start_over":
            state = replace(state, phase="open", intent=None, slots={}, asking=None, misses=0)
            return state, Reply((*((command.answer,) if command.answer else ()), self.script.prompt))
        return self._handed_over(state, command)

    def _handed_over(self, state: State, to: Command | Handoff) -> Step:
        say = (to.answer,) if to.answer else ()
        call = None if to.tool is None else Call("", to.tool, {}, "", self.script.fallback.handoff.answer, to.end)
        phase: Phase = "closed" if to.end else "open"
        state = replace(state, phase=phase, intent=None, slots={}, asking=None, misses=0)
        return state, Reply(say, call, is_last=to.end and call is None)

    def _ask_again(self, state: State, first: tuple[str, ...]) -> Step:
        """Says something and comes back to the question that is open."""
        return replace(state, misses=0), Reply((*first, *self._question(state, has_answered=bool(first))))

    def _question(self, state: State, *, has_answered: bool) -> tuple[str, ...]:
        match state.phase:
            case "filling" | "confirming":
                return state.said[-1:]
            case "changing":
                return ("What should I change?",)
            case "open" | "offered" | "closed":
                return () if has_answered else (self.script.prompt,)

    def _missed(self, state: State) -> Step:
        fallback = self.script.fallback
        misses = state.misses + 1
        if misses >= fallback.after:
            return self._handed_over(state, fallback.handoff)
        slot = self._asked_slot(state)
        state = replace(state, misses=misses)
        if slot is not None and slot.reprompts:
            return state, Reply((slot.reprompts[min(misses, len(slot.reprompts)) - 1],))
        sorry = fallback.prompts[min(misses, len(fallback.prompts)) - 1]
        return state, Reply((sorry, *self._question(state, has_answered=True)))

    def _asked_slot(self, state: State) -> Slot | None:
        if state.intent is None or state.asking is None:
            return None
        return self.script.intents[state.intent].slots[state.asking]

    def _awaits_yes_or_no(self, state: State) -> bool:
        return state.phase == "confirming" or isinstance(self._asked_slot(state), YesNoSlot)

    def _refusal(self, slot: Slot, today: date) -> str:
        """Why a value is not taken."""
        if slot.invalid is not None:
            return slot.invalid
        match slot:
            case NumberSlot():
                return f"That must be between {say_number(slot.min)} and {say_number(slot.max)}."
            case DigitsSlot() | PhoneSlot():
                least, most = say_number(slot.min_length), say_number(slot.max_length)
                return f"I need {least} digits." if least == most else f"I need between {least} and {most} digits."
            case TimeSlot() if slot.earliest is not None and slot.latest is not None:
                return f"That must be between {say(slot.earliest, today)} and {say(slot.latest, today)}."
            case _:
                return "That is not possible."

    def _filled_in(self, text: str, name: str, slots: Mapping[str, Value], today: date) -> str:
        kinds = self.script.intents[name].slots
        return fill(text, {key: spoken_value(kinds[key], value, today) for key, value in slots.items()})

    def _pressed(self, state: State, keys: str, today: date) -> Step:
        slot, name = self._asked_slot(state), state.intent
        entered = keys.rstrip("#")
        if state.phase == "confirming" and name is not None and entered in {"1", "2"}:
            return self._heard(state, "yes" if entered == "1" else "no", today)
        if slot is not None and name is not None and state.asking is not None and entered.isdecimal():
            raw = keyed_value(slot, entered, today)
            value = None if raw is None else accept(slot, raw, today)
            details = (
                Details({state.asking: value}) if value is not None else Details(refused=frozenset({state.asking}))
            )
            return self._filled(state, name, details, today)
        kind, target = self._keys.get(keys, self._keys.get(entered, ("", "")))
        if kind == "intent":
            return self._requested(state, target, Details(), today)
        if kind == "command":
            return self._commanded(state, target)
        return self._missed(state)
