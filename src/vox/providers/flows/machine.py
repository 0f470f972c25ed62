"""The conversation as a pure state machine: a state and what the caller said give the next state and what is answered.

It keeps nothing: a call's state is the fold of `step` over its user messages, so a barge-in, a merged turn or a restart
cannot put it out of step with the context. What a task does with values is in `tasks.py`; here it is decided what was meant.

Two rules hold throughout: nothing ends a call or drops a task without either certain words or a yes, and nothing is said
three times in a row.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from vox.providers.flows.choice import Understanding
from vox.providers.flows.details import CORRECTIONS, Details, Search
from vox.providers.flows.match import (
    FILLERS,
    HeardIntent,
    Matcher,
    content_words,
    is_about_a_value,
    is_filler,
    is_greeting,
    yes_no,
)
from vox.providers.flows.phrasing import ALL_RIGHT, WHAT_TO_CHANGE, apologies, which_of
from vox.providers.flows.schema import NumberSlot, Script, Slot, TextSlot, TimeSlot, YesNoSlot, command_items
from vox.providers.flows.slots import accept, keyed_value
from vox.providers.flows.sound_alikes import alike
from vox.providers.flows.state import Call, Reply, State, Step
from vox.providers.flows.tasks import Tasks
from vox.providers.flows.topics import Judged, Similarities, Topic, Topics
from vox.providers.flows.wording import heard_words

_KEYS = re.compile(r"DTMF:\s*([0-9A-D*#]+)", re.IGNORECASE)
_NOTHING_SAID = re.compile(r"\s*[(\[*<][^)\]*>]*[)\]*>]\s*")
"""A remark of a recogniser instead of words: `[BLANK_AUDIO]`, `(inaudible)`, `*cough*`."""

MOST_REPEATED = 2
"""So often in a row the same is said, however often the same is asked."""
_MUCH_BESIDE = 2
_SMALL_PART = 0.34
_UNCERTAIN_PART = 0.5
_CERTAIN_OF_ANOTHER = 0.5
_IDLE_WORDS_BEHIND_YES = 3
_SURENESS_OF_A_PART = 0.6
_WEAK_FAREWELLS = frozenset({"that", "no", "nothing"})


class Machine:
    """A flow's decisions; shared by all calls."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.topics = Topics(script)
        self._matcher = Matcher(script)
        self._tasks = Tasks(script)
        self._apologies = apologies(script)
        self._commands = dict(command_items(script))
        self._keys: dict[str, tuple[str, str]] = {
            command.key: ("command", name) for name, command in self._commands.items() if command.key is not None
        }
        self._keys |= {
            intent.key: ("intent", name) for name, intent in script.intents.items() if intent.key is not None
        }

    def greet(self) -> Reply:
        """The first words of a call."""
        return Reply((self.script.greeting,))

    def step(self, state: State, message: str, today: date, similarities: Similarities | None = None) -> Step:
        """One user message: speech, `DTMF: 123`, or both; without any word it counts as not understood.

        Args:
            state: where the conversation stands.
            message: what the caller said or pressed.
            today: the day that relative days count from.
            similarities: how like the topics' examples the message is in meaning, where a model has said so.
        """
        turn = state.turn + 1
        before, reply = state, Reply()
        for number, part in enumerate(_KEYS.split("" if _NOTHING_SAID.fullmatch(message) else message)):
            if not part.strip():
                continue
            state, more = (
                self._pressed(state, part, today) if number % 2 else self._heard(state, part, today, similarities)
            )
            reply = Reply(reply.say + more.say, more.call or reply.call, more.is_last)
        if not reply.say and reply.call is None:
            state, reply = self._missed(state, today)
        state, reply = self._unless_repeated(before, message, today, (state, reply))
        if reply.call is not None:
            call = replace(reply.call, id=f"flow_{turn}")
            reply = replace(reply, call=call)
            state = replace(state, calls={**state.calls, turn: call})
        return replace(state, turn=turn, said=reply.say or state.said), reply

    def _unless_repeated(self, before: State, message: str, today: date, step: Step) -> Step:
        """The step, or an apology in place of words that would come a third time: they did not help the caller.

        Apologies lead to a way out (`_missed`), so that no conversation goes round for ever.
        """
        state, reply = step
        words, times = before.answered
        if reply.call is not None or reply.is_last or state.misses > before.misses:
            return step
        if self._matcher.command(heard_words(message)) is not None:
            return step
        times = times + 1 if reply.say == words else 1
        if times <= MOST_REPEATED:
            return replace(state, answered=(reply.say, times)), reply
        return self._missed(before, today)

    def understanding(
        self, state: State, message: str, today: date, similarities: Similarities | None = None
    ) -> Understanding:
        """How well a message would be understood where the conversation stands, and whether that has consequences."""
        words = heard_words(message)
        after, reply = self.step(state, message, today, similarities)
        _, lost = self.step(state, "", today)
        if not words or (reply.say == lost.say and reply.call == lost.call):
            return Understanding(0.0)
        asks_whether = bool(after.pending) and after.pending != state.pending
        is_over = reply.is_last or after.phase == "closed"
        drops = state.is_busy and not after.is_busy
        has_consequences = reply.call is not None or is_over or drops or asks_whether
        return Understanding(self._sureness(state, words, today, similarities), has_consequences)

    def _sureness(self, state: State, words: Sequence[str], today: date, similarities: Similarities | None) -> float:
        if self._matcher.command(words) is not None or isinstance(self._asked_slot(state), TextSlot):
            return 1.0
        ranked = self.topics.ranked(words, similarities, {} if state.is_busy else self._evidence(words, today))
        about = self.topics.judge(ranked, has_meaning=similarities is not None)
        heard = self._phrase(words, about, today)
        if heard is not None:
            return 1.0 if not heard.beside else _SURENESS_OF_A_PART
        if state.is_busy and (yes_no(words) is not None or self._details(state, words, today)):
            return 1.0
        return min(1.0, about.score) if about is not None else _SURENESS_OF_A_PART / 2

    def outcome(self, call: Call, result: str) -> Reply:
        """What to say when a tool has run."""
        has_failed = result.lstrip().lower().startswith(("error", "tool not found", '{"error"'))
        text = call.failed if has_failed else call.done
        said = (text,) if text else ()
        if call.is_last and not has_failed:
            return Reply(said, is_last=True)
        return Reply((*said, *(call.follow_up or (self.script.follow_up,))))

    def _heard(self, state: State, speech: str, today: date, similarities: Similarities | None) -> Step:
        words = heard_words(speech)
        if not words:
            return self._missed(state, today)
        if state.pending:
            state, step = self._decided(state, words, today)
            if step is not None:
                return step
        command = self._matcher.command(words)
        if command is not None and not (self._awaits_yes_or_no(state) and yes_no(words) is not None):
            return self._commanded(state, command, words, today)
        if is_greeting(words):
            return self._ask_again(state, ())
        if isinstance(self._asked_slot(state), TextSlot) and state.intent is not None and state.asking is not None:
            text = self._matcher.free_text(state.intent, state.asking, speech)
            return self._tasks.filled(state, state.intent, Details({state.asking: text}), today)
        ranked = self.topics.ranked(words, similarities, {} if state.is_busy else self._evidence(words, today))
        about = self.topics.judge(ranked, has_meaning=similarities is not None)
        if state.is_busy and is_about_a_value(words):
            about, ranked = None, []
        heard = self._phrase(words, about, today)
        if state.is_busy and state.intent is not None:
            is_other = about is not None and about.score >= _CERTAIN_OF_ANOTHER and self._is_other(state, about.topic)
            step = self._in_task(state, state.intent, words, today, heard, is_other=is_other)
            if step is not None:
                return step
        if heard is not None:
            return self._intended(state, heard.name, heard.details, today)
        if state.phase == "offered" and (answer := yes_no(words)) is not None and not content_words(answer[1]):
            if answer[0]:
                return replace(state, phase="open", misses=0), Reply((self.script.prompt,))
            return self._commanded(state, "goodbye", words, today)
        topic = about.topic if about is not None else self.topics.by_keyword(words, ranked)
        if topic is not None and (step := self._about(state, topic, words, today)) is not None:
            return step
        if is_filler(words):
            return self._ask_again(state, (), question=self.script.follow_up)
        return self._missed(state, today)

    def _evidence(self, words: Sequence[str], today: date) -> dict[Topic, int]:
        """How many values of each intent's slots the words hold: `three of us on Sunday` is about a table."""
        tasks = (name for name, intent in self.script.intents.items() if intent.slots)
        found = {Topic("intent", name): self._matcher.details(name, words, today) for name in tasks}
        return {topic: len(details.values) for topic, details in found.items() if details.values}

    def _phrase(self, words: Sequence[str], about: Judged | None, today: date) -> HeardIntent | None:
        """The intent whose phrase was said, unless what was said beside it makes it something else."""
        heard = self._matcher.intent(words, today)
        if heard is None or not heard.beside:
            return heard
        if about is None:
            return heard if heard.beside < _MUCH_BESIDE or heard.details else None
        return heard if about.topic == Topic("intent", heard.name) else None

    def _about(self, state: State, topic: Topic, words: Sequence[str], today: date) -> Step | None:
        """Answers what was judged by meaning."""
        match topic.kind:
            case "intent":
                return self._intended(state, topic.name, self._matcher.details(topic.name, words, today), today)
            case "faq":
                return self._ask_again(state, (self.script.faq[int(topic.name)].answer,))
            case "command":
                return self._commanded(state, topic.name, words, today, is_certain=False)
            case "none":
                return None

    def _intended(self, state: State, name: str, details: Details, today: date) -> Step:
        """An intent: answered in between, or begun as a task of its own; a task it interrupts goes on afterwards."""
        intent = self.script.intents[name]
        if state.is_busy and intent.while_busy == "start_over":
            return self._commanded(state, "start_over", (), today, is_certain=False)
        if state.is_busy and intent.while_busy == "change":
            return replace(state, phase="changing", asking=None, misses=0), Reply((WHAT_TO_CHANGE,))
        if intent.then is not None and intent.then != state.intent:
            step, reply = self._tasks.begin(state, intent.then, Details(), today)
            return step, Reply(((intent.answer,) if intent.answer else ()) + reply.say, reply.call)
        if intent.slots:
            return self._tasks.begin(state, name, details, today)
        if state.is_busy and intent.tool is None and not intent.end:
            return self._ask_again(state, (intent.answer or "",))
        return self._tasks.completed(replace(state, intent=name, slots={}, suspended=None), name, today)

    def _in_task(
        self, state: State, name: str, words: Sequence[str], today: date, heard: HeardIntent | None, *, is_other: bool
    ) -> Step | None:
        """The words as an answer to what was asked, unless they fit another intent better."""
        rival = heard.matched if heard is not None and heard.name != name else 0
        answer = None if state.phase == "filling" else yes_no(words)
        rest = words if answer is None else answer[1]
        details = self._details(state, rest, today)
        corrects = answer is not None or not CORRECTIONS.isdisjoint(words)
        if not details and (state.phase == "changing" or corrects):
            details = self._matcher.details(name, rest, today, Search(loose=True, filled=frozenset(state.slots)))
            if details.rivals and not rival:
                text = which_of(self.script.intents[name], sorted(details.rivals))
                return replace(state, phase="changing", asking=None, misses=0), Reply((text,))
        if details and details.matched >= rival and self._is_meant(details, words, is_other=is_other):
            return self._tasks.filled(state, name, details, today)
        if (
            answer is not None
            and answer[0]
            and state.phase == "confirming"
            and self._is_plain_yes(rest, rival, is_other)
        ):
            return self._tasks.completed(state, name, today)
        slot = self._matcher.slot_named(name, rest)
        if slot is not None and not rival and (state.phase != "filling" or corrects):
            return self._tasks.asked_anew(state, name, slot, today)
        if answer is not None and not answer[0] and is_filler(rest):
            return replace(state, phase="changing", misses=0), Reply((WHAT_TO_CHANGE,))
        if state.phase == "changing" and "nothing" in words[:2]:
            return self._tasks.filled(state, name, Details(), today)
        return None

    def _is_meant(self, details: Details, words: Sequence[str], *, is_other: bool) -> bool:
        """Whether the values are what the words are about, and not a small part of something else."""
        beside = max(0, content_words(word for word in words if word not in CORRECTIONS) - details.matched)
        share = details.matched / (details.matched + beside)
        return share > (_UNCERTAIN_PART if is_other else _SMALL_PART)

    def _is_plain_yes(self, rest: Sequence[str], rival: int, is_other: bool) -> bool:
        """Whether what stands behind a yes takes nothing of it back and asks nothing."""
        if (
            rival
            or is_other
            or not CORRECTIONS.isdisjoint(rest)
            or not {"but", "not", "except", "only"}.isdisjoint(rest)
        ):
            return False
        return content_words(rest) <= _IDLE_WORDS_BEHIND_YES

    def _is_other(self, state: State, topic: Topic) -> bool:
        return topic.kind != "none" and topic != Topic("intent", state.intent or "")

    def _details(self, state: State, words: Sequence[str], today: date) -> Details:
        name, asked = state.intent or "", state.asking if state.phase == "filling" else None
        search = Search(asked=asked, filled=frozenset(state.slots))
        found = self._matcher.details(name, words, today, search)
        if asked is None or found.values or not isinstance(self._asked_slot(state), NumberSlot | TimeSlot):
            return found
        others = (self._matcher.details(name, other, today, search) for other in alike(words))
        return next((other for other in others if asked in other.values), found)

    def _decided(self, state: State, words: Sequence[str], today: date) -> tuple[State, Step | None]:
        """The answer to what is pending; any other words leave it, and are heard as if it had not been asked."""
        pending, state = state.pending, replace(state, pending="")
        answer = yes_no(words)
        is_again = self._matcher.command(words) == pending
        if is_again or (answer is not None and answer[0] and not content_words(answer[1])):
            match pending:
                case "handoff":
                    handoff = self.script.fallback.handoff
                    return state, self._handed_over(
                        state, handoff.answer, handoff.tool, handoff.then, today, end=handoff.end
                    )
                case "goodbye" | "start_over":
                    return state, self._done(state, pending, today)
                case "":
                    return state, None
        if answer is not None and not answer[0] and not content_words(answer[1]):
            return state, self._ask_again(state, (ALL_RIGHT,))
        return state, None

    def _commanded(
        self, state: State, name: str, words: Sequence[str], today: date, *, is_certain: bool = True
    ) -> Step:
        command = self._commands[name]
        match name:
            case "stop":
                return state, Reply((command.answer or ALL_RIGHT,))
            case "repeat":
                return replace(state, misses=0), Reply(state.said or (self.script.greeting,))
            case "help":
                return self._ask_again(state, (command.answer,) if command.answer else ())
            case "goodbye":
                if state.is_busy and {"no", "nothing"} & set(words):
                    return self._commanded(state, "start_over", words, today)
                if self._is_sure_to_leave(state, words, is_certain=is_certain) or not command.confirm:
                    return self._done(state, name, today)
                return replace(state, pending="goodbye", misses=0), Reply((command.confirm,))
            case "start_over":
                if not state.is_busy or not command.confirm:
                    return self._done(state, name, today)
                return replace(state, pending="start_over", misses=0), Reply((command.confirm,))
            case _:
                return self._done(state, name, today)

    def _is_sure_to_leave(self, state: State, words: Sequence[str], *, is_certain: bool) -> bool:
        """Whether a farewell may end the call at once: at its end, or by words that are nothing else."""
        if state.is_busy or not is_certain:
            return False
        if state.phase in {"offered", "closed"}:
            return True
        carrying = [word for word in words if word not in FILLERS or word == "good"]
        return bool(carrying) and carrying[0] not in _WEAK_FAREWELLS and (len(words) > 1 or state.turn > 0)

    def _done(self, state: State, name: str, today: date) -> Step:
        command = self._commands[name]
        if name == "start_over":
            return self._tasks.dropped(state, (command.answer,) if command.answer else ())
        return self._handed_over(state, command.answer or "", command.tool, command.then, today, end=command.end)

    def _handed_over(
        self, state: State, answer: str, tool: str | None, then: str | None, today: date, *, end: bool
    ) -> Step:
        said = (answer,) if answer else ()
        if then is not None:
            if state.intent == then and state.is_busy:
                return self._tasks.dropped(state, said)
            step, reply = self._tasks.begin(replace(state, misses=0), then, Details(), today)
            return step, Reply((*said, *reply.say))
        call = None if tool is None else Call("", tool, {}, "", self.script.fallback.handoff.answer, end)
        state = replace(
            state, phase="closed" if end else "open", intent=None, slots={}, asking=None, suspended=None, misses=0
        )
        return state, Reply(said, call, is_last=end and call is None)

    def _ask_again(self, state: State, first: tuple[str, ...], question: str = "") -> Step:
        """Says something and comes back to the question that is open."""
        if state.is_busy:
            return replace(state, misses=0), Reply((*first, *self._tasks.open_question(state)))
        return replace(state, misses=0), Reply(first or (question or self.script.prompt,))

    def _missed(self, state: State, today: date) -> Step:
        """Apologises in turn: with the question in other words, with what can be said, and at last with a way out."""
        fallback = self.script.fallback
        misses = state.misses + 1
        state = replace(state, misses=misses, pending="")
        if misses % fallback.after == 0:
            if fallback.offer is not None and misses == fallback.after:
                return replace(state, pending="handoff"), Reply((fallback.offer,))
            handoff = fallback.handoff
            return self._handed_over(state, handoff.answer, handoff.tool, handoff.then, today, end=handoff.end)
        turn = misses % fallback.after - 1
        slot = self._asked_slot(state)
        if slot is not None and slot.reprompts and turn % 2 == 0:
            return state, Reply((slot.reprompts[(misses // 2) % len(slot.reprompts)],))
        sorry = self._apologies[turn % len(self._apologies)]
        if not state.is_busy:
            return state, Reply((sorry,))
        other_words = turn % 2 == 1 and not (slot is not None and slot.reprompts)
        return state, Reply((sorry, *self._tasks.open_question(state, in_other_words=other_words)))

    def _asked_slot(self, state: State) -> Slot | None:
        if state.intent is None or state.asking is None or state.phase != "filling":
            return None
        return self.script.intents[state.intent].slots[state.asking]

    def _awaits_yes_or_no(self, state: State) -> bool:
        return state.phase == "confirming" or isinstance(self._asked_slot(state), YesNoSlot)

    def _pressed(self, state: State, keys: str, today: date) -> Step:
        slot, name = self._asked_slot(state), state.intent
        entered = keys.rstrip("#")
        if (state.pending or state.phase == "confirming") and entered in {"1", "2"}:
            return self._heard(state, "yes" if entered == "1" else "no", today, None)
        state = replace(state, pending="")
        if slot is not None and name is not None and state.asking is not None and entered.isdecimal():
            raw = keyed_value(slot, entered, today)
            value = None if raw is None else accept(slot, raw, today)
            found = {} if value is None else {state.asking: value}
            details = Details(found, frozenset({state.asking} - found.keys()))
            return self._tasks.filled(state, name, details, today)
        kind, target = self._keys.get(keys, self._keys.get(entered, ("", "")))
        if kind == "intent":
            return self._intended(state, target, Details(), today)
        if kind == "command":
            return self._commanded(state, target, (), today)
        return self._missed(state, today)
