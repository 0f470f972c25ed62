"""Which part of a flow said a text: read from the flow's own sentences, so that it holds for any matching behind them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_PLACE = re.compile(r"(?P<on>\b[Oo]n )?\{(?P<name>[a-z][a-z0-9_.]*)\}")
_NOT_A_WORD = re.compile(r"[^a-z0-9']+")
_NOT_SAID = frozenset(
    "phrases keywords examples patterns options named type label tool key pronounce name suggestions then while_busy".split()  # noqa: SIM905  read as a line
)
_ENDS = (".", "!", "?", '"')
_SLOT_TEXTS = ("prompt", "reprompts", "invalid")
CHANGE_QUESTIONS = ("What should I change?", "What would you like to change?")


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of the flow that was said.

    `target` is an intent's name, an faq entry's, `command:NAME`, `fallback`, `handoff` or `prompt`. `role` is `answer`,
    `confirm`, `done`, `slot` (with its name in `slot`), or `change` for the question what should be changed. `values` are
    what stood in the sentence's places, `also` other parts that say the same sentence.
    """

    target: str
    role: str = "answer"
    slot: str = ""
    values: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)
    also: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def targets(self) -> frozenset[str]:
        """All parts that say it."""
        return self.also | {self.target}


@dataclass(frozen=True, slots=True)
class _Sentence:
    pattern: re.Pattern[str]
    said: Said
    words: int


class AnswerTable:
    """All sentences that a flow can say.

    Args:
        flow: the flow's YAML as loaded.
    """

    def __init__(self, flow: Mapping[str, Any]) -> None:
        self.task_intents = frozenset(name for name, intent in flow["intents"].items() if intent.get("slots"))
        self.follows = dict(_follows(flow))
        """Which intent begins by itself behind an answer: `then` in the flow."""
        owners: dict[str, list[Said]] = {}
        for text, said in _texts(flow):
            for sentence in [text] if _PLACE.search(text) else _SENTENCE_END.split(text):
                if sentence.rstrip().endswith(_ENDS):  # what is said ends so; what is compared or named does not
                    owners.setdefault(sentence.strip(), []).append(said)
        sentences = [_sentence(text, said) for text, said in owners.items()]
        self._sentences = sorted(sentences, key=lambda one: -one.words)  # a sentence may stand within a longer one

    def read(self, texts: Sequence[str]) -> list[Said]:
        """The flow's sentences in what was said, in order; words of no sentence give nothing."""
        left = plain(" ".join(texts))
        found: list[tuple[int, Said]] = []
        for sentence in self._sentences:
            for hit in list(sentence.pattern.finditer(left)):
                values = {name: value.strip() for name, value in hit.groupdict().items() if value}
                said = sentence.said
                found.append((hit.start(), replace(said, values=values)))
                left = left[: hit.start()] + "\0" * (hit.end() - hit.start()) + left[hit.end() :]
        return [said for _, said in sorted(found, key=lambda one: one[0])]


def plain(text: str) -> str:
    """The words alone, in lower case, one blank between them."""
    return _NOT_A_WORD.sub(" ", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).strip()


def _sentence(text: str, owners: Sequence[Said]) -> _Sentence:
    named: list[str] = []

    def note(place: re.Match[str]) -> str:
        named.append(place["name"].replace(".", "_"))
        return f" place{'on' if place['on'] else 'none'}{len(named) - 1} "

    words = plain(_PLACE.sub(note, text)).split()
    ends_open = bool(named) and words[-1].startswith("place")
    parts = [_word(word, named) for word in words]
    end = r"(?=$|\0| \0)" if ends_open else r"(?= |$|\0)"
    said = replace(owners[0], also=frozenset(one.target for one in owners))
    return _Sentence(re.compile(r"(?<![^ \0])" + " ".join(parts) + end), said, len(words))


def _word(word: str, named: Sequence[str]) -> str:
    """A word's pattern; a place's is as many words as stand there."""
    if (place := re.fullmatch(r"place(on|none)(\d+)", word)) is None:
        return re.escape(word)
    name = named[int(place[2])]
    group = f"(?P<{name}>" if named.index(name) == int(place[2]) else "(?:"
    return ("(?:on )?" if place[1] == "on" else "") + group + r"[^ \0]+(?: [^ \0]+)*?)"


def _texts(flow: Mapping[str, Any]) -> Iterator[tuple[str, Said]]:
    for name, intent in flow["intents"].items():
        for slot, options in (intent.get("slots") or {}).items():
            for key in _SLOT_TEXTS:
                for text in _strings(options.get(key)):
                    yield text, Said(name, "slot", slot)
        for key, value in intent.items():
            if key != "slots" and key not in _NOT_SAID:
                role = key if key in {"confirm", "done"} else "answer"
                for text in _strings(value):
                    yield text, Said(name, role)
    for entry in flow.get("faq") or ():
        name = entry.get("name") or f"faq:{entry['keywords'][0]}"
        for text in _strings(entry.get("answer")):
            yield text, Said(name)
    for name, command in (flow.get("commands") or {}).items():
        for text in _strings({"answer": command} if isinstance(command, str) else command):
            yield text, Said(f"command:{name}")
    fallback = flow.get("fallback") or {}
    for key, value in fallback.items():
        for text in _strings(value):
            yield text, Said("handoff" if key == "handoff" else "fallback")
    for key in ("greeting", "prompt", "follow_up"):
        for text in _strings(flow.get(key)):
            yield text, Said("prompt")
    for text in CHANGE_QUESTIONS:
        yield text, Said("prompt", "change")


def _follows(flow: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    parts = {
        **flow["intents"],
        **{f"command:{name}": command for name, command in (flow.get("commands") or {}).items()},
        "handoff": (flow.get("fallback") or {}).get("handoff"),
    }
    for name, part in parts.items():
        if isinstance(part, Mapping) and part.get("then"):
            yield name, part["then"]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _NOT_SAID:
                yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
