"""How a task goes: values are asked for one after the other, read back, corrected, and handed to a tool."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from vox.providers.flows.details import Details
from vox.providers.flows.phrasing import (
    WHAT_TO_CHANGE,
    filled_in,
    prompt_of,
    refusal,
    unclear,
    what_may_change,
    what_to_answer,
)
from vox.providers.flows.rendering import Value, iso
from vox.providers.flows.schema import Script
from vox.providers.flows.state import Call, Reply, State, Step, Suspended

_REFUSALS = 2
"""How often in a row a value is refused in the same words."""


class Tasks:
    """The intents of a flow that have something to ask or to do."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def begin(self, state: State, name: str, details: Details, today: date) -> Step:
        """Begins an intent's task, or goes on with it; one that it interrupts waits behind it."""
        if state.is_busy and state.intent == name:
            return self.filled(state, name, details, today)
        suspended = state.suspended
        if state.is_busy and state.intent is not None and suspended is None:
            suspended = Suspended(state.intent, state.slots)
        if suspended is not None and suspended.intent == name:
            fresh = replace(state, slots=suspended.slots, suspended=None)
        else:
            fresh = replace(state, slots={}, suspended=suspended)
        return self.filled(replace(fresh, phase="open", intent=name, asking=None), name, details, today)

    def filled(self, state: State, name: str, details: Details, today: date) -> Step:
        """Takes these values, or says why not, and goes on."""
        slots = self._script.intents[name].slots
        known = {**state.slots, **details.values}
        refused = next((slot for slot in slots if slot in details.refused | details.unclear), None)
        if refused is None:
            return self._advanced(replace(state, slots=known), name, today)
        known.pop(refused, None)
        misses = state.misses + 1 if state.asking == refused else 1
        step, reply = self._advanced(replace(state, slots=known), name, today, ask=refused)
        first = unclear(refused, slots[refused]) if refused in details.unclear else refusal(slots[refused], today)
        reprompts = slots[refused].reprompts
        if misses > _REFUSALS and reprompts:
            return replace(step, misses=misses), Reply((reprompts[misses % len(reprompts)],))
        return replace(step, misses=misses), Reply((first, *reply.say))

    def asked_anew(self, state: State, name: str, slot: str, today: date) -> Step:
        """Forgets one value and asks for it."""
        slots = {key: value for key, value in state.slots.items() if key != slot}
        return self._advanced(replace(state, slots=slots), name, today, ask=slot)

    def completed(self, state: State, name: str, today: date) -> Step:
        """All is known and confirmed: the tool is called, the last words are said, an interrupted task goes on."""
        intent = self._script.intents[name]
        done = filled_in(intent.done or "", intent, state.slots, today)
        first = () if intent.answer is None else (filled_in(intent.answer, intent, state.slots, today),)
        slots, suspended = state.slots, state.suspended
        state = replace(state, phase="open", asking=None, misses=0, suspended=None)
        follow_up: tuple[str, ...] = (self._script.follow_up,)
        if suspended is not None and not intent.end:
            state = replace(state, intent=suspended.intent, slots=suspended.slots)
            state, resumed = self._advanced(state, suspended.intent, today)
            follow_up = resumed.say
        elif intent.end:
            state = replace(state, phase="closed")
        elif intent.tool is not None or done:
            state = replace(state, phase="offered")
        if intent.tool is not None:
            arguments = {key: iso(value) for key, value in slots.items()}
            failed = filled_in(intent.failed, intent, slots, today)
            return state, Reply(first, Call("", intent.tool, arguments, done, failed, intent.end, follow_up))
        said = (*first, *((done,) if done else ()))
        if intent.end:
            return state, Reply(said, is_last=True)
        return state, Reply((*said, *follow_up) if done or suspended is not None else said)

    def dropped(self, state: State, first: tuple[str, ...]) -> Step:
        """Forgets the task, and any that waits behind it."""
        state = replace(state, phase="open", intent=None, slots={}, asking=None, suspended=None, misses=0)
        return state, Reply((*first, self._script.prompt))

    def open_question(self, state: State, *, in_other_words: bool = False) -> tuple[str, ...]:
        """The question that a task waits for an answer to, or what may be answered to it."""
        if state.phase == "changing":
            intent = self._script.intents[state.intent or ""]
            return (what_may_change(intent),) if in_other_words else (WHAT_TO_CHANGE,)
        if in_other_words:
            asked = self._script.intents[state.intent or ""].slots.get(state.asking or "")
            return (what_to_answer(asked),)
        return (state.question,)

    def _advanced(self, state: State, name: str, today: date, ask: str | None = None) -> Step:
        """On to the next question, the confirmation, or the end."""
        intent = self._script.intents[name]
        missing = ask or next(
            (key for key, slot in intent.slots.items() if key not in state.slots and not slot.optional), None
        )
        if missing is not None:
            text = self._worded(prompt_of(missing, intent.slots[missing]), name, state.slots, today)
            state = replace(state, phase="filling", intent=name, asking=missing, misses=0, question=text)
            return state, Reply((text,))
        if intent.confirm is not None:
            text = self._worded(intent.confirm, name, state.slots, today)
            state = replace(state, phase="confirming", intent=name, asking=None, misses=0, question=text)
            return state, Reply((text,))
        return self.completed(replace(state, intent=name), name, today)

    def _worded(self, text: str, name: str, slots: Mapping[str, Value], today: date) -> str:
        return filled_in(text, self._script.intents[name], slots, today)
