"""What a sentence is about: the flow's topics ranked by their examples, with thresholds under which nothing is claimed.

A topic is an intent, an entry of `faq`, a universal command, or what no flow is about. Two measures count: the words
(`lexical.py`, everywhere) and the meanings (sentence vectors, where a model is installed; its results are passed in).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from vox.providers.flows.background import OFF_TOPIC
from vox.providers.flows.lexical import GLUE, Lexicon
from vox.providers.flows.patterns import Node, parse_pattern, wordings
from vox.providers.flows.schema import Intent, Script, command_examples, command_items, command_phrases
from vox.providers.flows.wording import heard_words

Kind = Literal["intent", "faq", "command", "none"]
Similarities = Mapping["Topic", float]
"""How surely a sentence is about each topic by its meaning: about 1 where it is, about 0 or less where not."""

_WORDINGS_OF_A_PHRASE: Final = 12
_SAMPLES: Final = {
    "number": "four", "digits": "one two three", "phone": "my number", "date": "tomorrow", "time": "seven",
    "choice": "", "yes_no": "yes", "text": "",
}  # fmt: skip

_MEANING_SHARE: Final = 0.8
_LEAST: Final = 0.28
_LEAST_BY_WORDS: Final = 0.54
_MORE_FOR_A_COMMAND: Final = 0.15
_EVIDENCE: Final = (0.0, 0.04, 0.15)
_AHEAD: Final = 0.06
_KEYWORD_SHARE: Final = 0.34
_SURELY_OFF_TOPIC: Final = 0.7


@dataclass(frozen=True, slots=True)
class Topic:
    """What a sentence may be about; `name` is the number of a faq entry."""

    kind: Kind
    name: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A topic with how sure it is, from 0 to 1."""

    topic: Topic
    score: float


NONE: Final = Topic("none")


class Topics:
    """A flow's topics, ready to be compared with what was heard."""

    def __init__(self, script: Script) -> None:
        self.examples: Mapping[Topic, tuple[str, ...]] = dict(_examples(script))
        self._lexicon = Lexicon({_key(topic): texts for topic, texts in self.examples.items()})
        self._exact = _unique((heard_words(text), topic) for topic, texts in self.examples.items() for text in texts)
        self._keywords = tuple(
            (topic, heard_words(keyword)) for topic, keywords in _keywords(script) for keyword in keywords
        )

    def judge(self, ranked: Sequence[Judged], *, has_meaning: bool) -> Judged | None:
        """The topic of what was ranked; None where none is like enough, or two are too alike."""
        if not ranked:
            return None
        best, second = ranked[0], ranked[1]
        least = _LEAST if has_meaning else _LEAST_BY_WORDS
        if best.topic.kind == "command":
            least += _MORE_FOR_A_COMMAND
        if best.topic == NONE or best.score < least or best.score - second.score < _AHEAD:
            return None
        return best

    def by_keyword(self, words: Sequence[str], ranked: Sequence[Judged]) -> Topic | None:
        """The topic whose keywords make up a good part of the words, unless they are surely about something else."""
        hits: dict[Topic, set[str]] = {}
        for topic, keyword in self._keywords:
            if any(tuple(words[at : at + len(keyword)]) == keyword for at in range(len(words) - len(keyword) + 1)):
                hits.setdefault(topic, set()).update(keyword)
        counts = sorted(((len(found), topic) for topic, found in hits.items()), key=lambda hit: -hit[0])
        if not counts or (len(counts) > 1 and counts[0][0] == counts[1][0]):
            return None
        count, topic = counts[0]
        carrying = sum(word not in GLUE for word in words)
        off_topic = next((one.score for one in ranked if one.topic == NONE), 0.0)
        return topic if count >= _KEYWORD_SHARE * carrying and off_topic < _SURELY_OFF_TOPIC else None

    def ranked(
        self,
        words: Sequence[str],
        similarities: Similarities | None = None,
        evidence: Mapping[Topic, int] | None = None,
    ) -> list[Judged]:
        """All topics, the likeliest first; empty without words.

        Args:
            words: what was said.
            similarities: what a model made of it.
            evidence: how many values of an intent's slots were said along with it.
        """
        if not words:
            return []
        found = self._ranked(words, similarities)
        if evidence:
            found = [Judged(one.topic, one.score + _EVIDENCE[min(evidence.get(one.topic, 0), 2)]) for one in found]
        return sorted(found, key=lambda one: -one.score)

    def _ranked(self, words: Sequence[str], similarities: Similarities | None) -> list[Judged]:
        scores = self._lexicon.scores(words)
        exact = self._exact.get(tuple(words))
        found = [
            Judged(topic, 1.0) if topic == exact else Judged(topic, _mixed(topic, scores[_key(topic)], similarities))
            for topic in self.examples
        ]
        if exact is not None:
            found = [one if one.topic == exact else Judged(one.topic, min(one.score, 1.0 - _AHEAD)) for one in found]
        return found


def _mixed(topic: Topic, by_words: float, similarities: Similarities | None) -> float:
    if similarities is None:
        return by_words
    return _MEANING_SHARE * similarities.get(topic, 0.0) + (1 - _MEANING_SHARE) * by_words


def _unique(examples: Iterable[tuple[tuple[str, ...], Topic]]) -> dict[tuple[str, ...], Topic]:
    """The examples that belong to one topic only."""
    topics: dict[tuple[str, ...], set[Topic]] = {}
    for words, topic in examples:
        topics.setdefault(words, set()).add(topic)
    return {words: next(iter(found)) for words, found in topics.items() if len(found) == 1}


def _key(topic: Topic) -> str:
    return f"{topic.kind} {topic.name}"


def _examples(script: Script) -> Iterator[tuple[Topic, tuple[str, ...]]]:
    for name, intent in script.intents.items():
        said = [text for phrase in intent.phrases for text in _written_out(parse_pattern(phrase), intent)]
        if texts := tuple(dict.fromkeys([*said, *intent.keywords, *intent.examples])):
            yield Topic("intent", name), texts
    for number, entry in enumerate(script.faq):
        yield Topic("faq", str(number)), tuple(dict.fromkeys([*entry.keywords, *entry.examples]))
    for name, command in command_items(script):
        said = [text for phrase in command_phrases(name, command) for text in _written_out(parse_pattern(phrase))]
        yield Topic("command", name), tuple(dict.fromkeys([*said, *command_examples(name, command)]))
    yield NONE, OFF_TOPIC


def _keywords(script: Script) -> Iterator[tuple[Topic, tuple[str, ...]]]:
    yield from ((Topic("intent", name), intent.keywords) for name, intent in script.intents.items())
    yield from ((Topic("faq", str(number)), entry.keywords) for number, entry in enumerate(script.faq))


def _written_out(node: Node, intent: Intent | None = None) -> Iterator[str]:
    """Some of the sentences a pattern stands for, with a sample in the place of each value."""
    samples = {name: _SAMPLES[slot.type] for name, slot in intent.slots.items()} if intent is not None else {}
    yield from islice((text for text in wordings(node, samples) if text), _WORDINGS_OF_A_PHRASE)
