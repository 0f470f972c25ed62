"""Compiles what a caller may say next into a JSGF grammar, and checks its words against the recogniser's dictionary.

The same flow and situation give the same text, so recognisers may cache by it. Lines `// pron: word = P R AH N` in the
head carry pronunciations of words the dictionary lacks; the driver adds them before it loads the grammar.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, assert_never

from vox.providers.flows import vocabulary
from vox.providers.flows.patterns import (
    Either,
    Many,
    Maybe,
    Node,
    Rule,
    Series,
    Value,
    Word,
    names_in,
    parse_pattern,
    words_in,
)
from vox.providers.flows.schema import (
    ChoiceSlot,
    DateSlot,
    NumberSlot,
    Script,
    Slot,
    TextSlot,
    command_items,
    command_phrases,
)
from vox.providers.flows.slots import frames_of, named_values

LEADS: Final = "um | uh | hello | hi"
PAUSES: Final = "um | uh"
WISHES: Final = "please | thank you"
CORRECTIONS: Final = "make it | i said | sorry | actually"
ANSWERS: Final = "it's"
ACKNOWLEDGEMENTS: Final = "uh huh | okay | all right"
QUESTIONS: Final = "[and] what about [the | your] | do you have [any | the] | is there [any] | tell me about [the | your] | can i [have]"
NUMBER_RULES: Final = ((19, "below_twenty"), (99, "below_hundred"), (999, "below_thousand"), (999_999, "below_million"))
_MAX_ROTATIONS = 4
_ONE_WORD = {"a m": "a.m.", "p m": "p.m."}  # single letters are heard in every breath; the dictionary has these whole

Situation = tuple[str, str | None, str | None]
"""Phase, intent and asked slot: all that the grammar depends on."""


@dataclass(frozen=True, slots=True)
class Place:
    """A word the recogniser must know, and where the flow has it from."""

    word: str
    place: str


class Grammars:
    """A flow's grammars, compiled when first asked for and kept: there are only as many as the flow has situations."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._compiled: dict[Situation, str | None] = {}
        self._phrases: dict[Situation, tuple[str, ...]] = {}

    def grammar(self, situation: Situation) -> str | None:
        """The grammar, or None where anything may be said (a `text` slot)."""
        if situation not in self._compiled:
            self._compiled[situation] = _compile(self._script, situation)
        return self._compiled[situation]

    def phrases(self, situation: Situation) -> tuple[str, ...]:
        """Phrases worth listening for, for recognisers that take hints rather than grammars.

        The first ones matter most, because such recognisers take only so many: what callers are told to ask, and one keyword of
        each topic before the second of any.
        """
        if situation not in self._phrases:
            self._phrases[situation] = tuple(dict.fromkeys(_hints(self._script, situation)))
        return self._phrases[situation]


def situations(script: Script) -> Iterator[Situation]:
    """Every situation of a flow."""
    yield ("open", None, None)
    yield ("offered", None, None)
    for name, intent in script.intents.items():
        if intent.slots:
            yield ("confirming", name, None)
            yield ("changing", name, None)
        for slot in intent.slots:
            yield ("filling", name, slot)


def flow_words(script: Script) -> Iterator[Place]:
    """Every word the author wrote to be listened for, with its place in the file."""
    for place, text in _listened(script):
        for word in words_in(parse_pattern(text)):
            yield Place(word.text, place)


def unknown_words(script: Script, dictionary: Iterable[str]) -> list[Place]:
    """The words that neither the dictionary (lines of `word P R AH N`) nor `pronounce` has, each once."""
    unknown: dict[str, Place] = {}
    for found in flow_words(script):
        unknown.setdefault(found.word, found)
    for word in pronounced(script):
        unknown.pop(word, None)
    for line in dictionary:
        unknown.pop(line.split(" ", 1)[0], None)
    return list(unknown.values())


def pronounced(script: Script) -> Mapping[str, str]:
    """The flow's own pronunciations by word, as the words stand in grammars."""
    return {word.lower(): phones for word, phones in script.pronounce.items()}


def _listened(script: Script) -> Iterator[tuple[str, str]]:
    for name, intent in script.intents.items():
        for number, phrase in enumerate(intent.phrases):
            yield f"intents.{name}.phrases.{number}", phrase
        for keyword in intent.keywords:
            yield f"intents.{name}.keywords", keyword
        for slot_name, slot in intent.slots.items():
            place = f"intents.{name}.slots.{slot_name}"
            yield f"{place}.label", slot.label or slot_name.replace("_", " ")
            for number, phrase in enumerate(slot.phrases):
                yield f"{place}.phrases.{number}", phrase
            if isinstance(slot, ChoiceSlot):
                for option, synonyms in slot.options.items():
                    for said in (option, *synonyms):
                        yield f"{place}.options.{option}", said
            elif isinstance(slot, NumberSlot):
                for number, ways in slot.named.items():
                    for said in ways:
                        yield f"{place}.named.{number}", said
    for name, command in command_items(script):
        for number, phrase in enumerate(command_phrases(name, command)):
            yield f"commands.{name}.phrases.{number}", phrase
    for number, entry in enumerate(script.faq):
        for keyword in entry.keywords:
            yield f"faq.{number}.keywords", keyword


class _Rules:
    """The rules of one grammar, in the order in which they are first needed."""

    def __init__(self) -> None:
        self.bodies: dict[str, str] = {}
        self.words: set[str] = set()

    def add(self, name: str, body: str) -> str:
        self.bodies[name] = body
        return f"<{name}>"

    def built_in(self, name: str) -> str:
        if name not in self.bodies:
            self.bodies[name] = ""  # keeps its place while the rules it needs are added
            body = self.text(parse_pattern(vocabulary.RULES[name]), {})
            for letters, word in _ONE_WORD.items() if name == "half" else ():
                body = body.replace(letters, word)
            self.bodies[name] = body
        return f"<{name}>"

    def written(self, pattern: str) -> str:
        return self.text(parse_pattern(pattern), {})

    def text(self, node: Node, values: Mapping[str, str]) -> str:
        match node:
            case Word(text):
                self.words.add(text)
                return text
            case Series(parts):
                return " ".join(self.text(part, values) for part in parts)
            case Either(options):
                return f"({' | '.join(self.text(option, values) for option in options)})"
            case Maybe(part):
                return f"[{self.text(part, values)}]"
            case Many(part):
                return f"({self.text(part, values)})+"
            case Value(name):
                return values.get(name) or self.built_in(name)
            case Rule(name):
                return self.built_in(name)
            case _:
                assert_never(node)


def _compile(script: Script, situation: Situation) -> str | None:
    phase, intent, asking = situation
    if intent is not None and asking is not None and isinstance(script.intents[intent].slots[asking], TextSlot):
        return None
    rules = _Rules()
    options: list[str] = []
    if phase == "filling" and intent is not None and asking is not None:
        options += _answers(script, intent, asking, rules)
    elif phase in {"confirming", "changing"} and intent is not None:
        options += _corrections(script, intent, rules, is_confirming=phase == "confirming")
    if phase == "offered":
        options += [rules.built_in("yes"), rules.built_in("no")]
    if phase not in {"confirming", "changing"}:
        options += [
            _intent(script, name, rules, is_open=phase != "filling")
            for name, each in script.intents.items()
            if each.phrases and name != intent
        ]
    keywords = " | ".join(map(rules.written, _keywords(script)))
    if phase not in {"filling", "confirming", "changing"} and keywords:
        options.append(rules.add("faq", f"[{rules.written(QUESTIONS)}] ({keywords})"))
    if phase in {"open", "offered"}:
        options.append(rules.add("listening", rules.written(ACKNOWLEDGEMENTS)))
    for name, command in command_items(script):
        if phrases := command_phrases(name, command):
            options.append(rules.add(f"command_{name}", " | ".join(rules.written(phrase) for phrase in phrases)))
    leads = LEADS if phase in {"open", "offered"} else PAUSES
    said = rules.add("said", " | ".join(options))
    lead = rules.add("lead", rules.written(leads))
    wish = rules.add("wish", rules.written(WISHES))
    pronunciations = [
        f"// pron: {word} = {phones}" for word, phones in sorted(pronounced(script).items()) if word in rules.words
    ]
    name = "_".join(part for part in situation if part)
    lines = [
        "#JSGF V1.0;",
        *pronunciations,
        f"grammar {name};",
        f"public <utterance> = [{lead}] {said} [{wish}];",
        *(f"<{name}> = {body};" for name, body in rules.bodies.items()),
    ]
    return "\n".join(lines) + "\n"


def _keywords(script: Script) -> Iterator[str]:
    for each in (*script.intents.values(), *script.faq):
        yield from each.keywords


def _intent(script: Script, name: str, rules: _Rules, *, is_open: bool) -> str:
    """What asks for an intent; while nothing else is asked, with any of its details behind it."""
    slots = script.intents[name].slots
    patterns = [parse_pattern(phrase) for phrase in script.intents[name].phrases]
    used = dict.fromkeys(slot for pattern in patterns for slot in names_in(pattern))
    values = {slot: _value(name, slot, slots[slot], rules) for slot in used}
    phrases = " | ".join(rules.text(pattern, values) for pattern in patterns)
    details = _details(script, name, rules) if is_open else ""
    return rules.add(f"intent_{name}", f"({phrases}) [{details}]" if details else phrases)


def _details(script: Script, name: str, rules: _Rules, without: str | None = None) -> str:
    """An intent's values in their frames, in the order of the slots from any of them on; empty where there are none.

    A free loop over them would be more patient, and costs the recogniser fifty times as much.
    """
    groups: list[str] = []
    for slot, kind in script.intents[name].slots.items():
        if slot != without and not isinstance(kind, TextSlot) and (frames := frames_of(slot, kind)):
            marked = [frame for frame in frames if not _begins_openly(frame)]
            values = {slot: _value(name, slot, kind, rules)}
            said = [rules.text(frame, values) for frame in marked or frames]
            groups.append(f"({' | '.join([*said, rules.built_in('soon')] if isinstance(kind, DateSlot) else said)})")
    if not groups:
        return ""
    rule = f"details_{name}" + (f"_without_{without}" if without else "")
    rotations = (groups[start:] + groups[:start] for start in range(min(len(groups), _MAX_ROTATIONS)))
    return rules.add(
        rule, " | ".join(" ".join([first, *(f"[{group}]" for group in rest)]) for first, *rest in rotations)
    )


def _begins_openly(frame: Node) -> bool:
    """Whether a frame may begin without a word of its own; a breath behind a sentence then becomes a value."""
    return isinstance(frame, Value) or (isinstance(frame, Series) and isinstance(frame.parts[0], Maybe))


def _answers(script: Script, name: str, asking: str, rules: _Rules) -> list[str]:
    """An answer to the question, or a correction of an earlier one.

    More than one value in an answer is understood but not listened for: it would cost more single words than it gains.
    """
    slot = script.intents[name].slots[asking]
    value = _value(name, asking, slot, rules)
    framed = [rules.text(frame, {asking: value}) for frame in frames_of(asking, slot)]
    options = [rules.add("answer", f"[{rules.written(ANSWERS)}] ({' | '.join([value, *framed])})")]
    others = _details(script, name, rules, without=asking)
    return [*options, f"(no | {rules.written(CORRECTIONS)}) ({others})"] if others else options


def _corrections(script: Script, name: str, rules: _Rules, *, is_confirming: bool) -> list[str]:
    """What may follow a read-back: yes, no, and other values; bare ones only where they are announced or asked for."""
    slots = script.intents[name].slots
    details = _details(script, name, rules)
    bare = [_value(name, key, slot, rules) for key, slot in slots.items() if not isinstance(slot, TextSlot)]
    shorter = [
        rules.built_in("near_day") if isinstance(slot, DateSlot) else value
        for slot, value in zip((slot for slot in slots.values() if not isinstance(slot, TextSlot)), bare, strict=True)
    ]
    values = " | ".join([*([details] if details else []), *dict.fromkeys(shorter)])
    labels = " | ".join(rules.written(slot.label or key.replace("_", " ")) for key, slot in slots.items())
    options = [
        f"[no] [{rules.written('change | not')}] [the] ({labels})",
        f"[no] ({rules.written(CORRECTIONS)}) ({values})",
    ]
    if details:
        options.append(f"[no] {details}")
    return (
        [rules.built_in("yes"), rules.built_in("no"), *options]
        if is_confirming
        else [rules.built_in("no"), *options, *bare]
    )


def _value(intent: str, name: str, slot: Slot, rules: _Rules) -> str:
    """The rule for a slot's values."""
    if isinstance(slot, ChoiceSlot):
        rule = f"choice_{intent}_{name}"
        if rule not in rules.bodies:
            rules.add(rule, " | ".join(rules.text(node, {}) for node, _ in named_values(slot)))
        return f"<{rule}>"
    if isinstance(slot, NumberSlot):
        number = rules.built_in(next(rule for most, rule in NUMBER_RULES if slot.max <= most))
        if not slot.named:
            return number
        rule = f"number_{intent}_{name}"
        if rule not in rules.bodies:
            rules.add(rule, " | ".join([number, *(rules.text(node, {}) for node, _ in named_values(slot))]))
        return f"<{rule}>"
    if slot.type == "yes_no":
        return f"({rules.built_in('yes')} | {rules.built_in('no')})"
    return rules.built_in(slot.type)


def _hints(script: Script, situation: Situation) -> Iterator[str]:
    _, intent, _ = situation
    if intent is None:
        yield from script.suggestions
    else:  # no sentences here: the values in them would be heard in the place of the caller's own
        for slot in script.intents[intent].slots.values():
            if isinstance(slot, ChoiceSlot):
                yield from slot.options
    yield script.name
    yield from (word for word in script.pronounce)
    keywords = [each.keywords for each in (*script.intents.values(), *script.faq)]
    yield from (word for round_ in zip_longest(*keywords) for word in round_ if word is not None)
    for each in script.intents.values():
        yield from (_plainest(parse_pattern(phrase)) for phrase in each.phrases if "{" not in phrase)


def _plainest(node: Node) -> str:
    """The first way of saying a pattern, without what may be left out."""
    match node:
        case Word(text):
            return text
        case Series(parts):
            return " ".join(text for part in parts if (text := _plainest(part)))
        case Either(options):
            return _plainest(options[0])
        case Many(part):
            return _plainest(part)
        case Maybe() | Value() | Rule():
            return ""
        case _:
            assert_never(node)
