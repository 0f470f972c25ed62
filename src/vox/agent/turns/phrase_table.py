"""What callers say that matters to turn taking: the shape of one language's table. Words are in lower case without punctuation."""

from dataclasses import dataclass

_NO_WORDS = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language's table.

    Attributes:
        backchannels: what listeners say to show that they listen; it asks for nothing.
        silencers: whole utterances that ask the agent to be silent.
        answers: whole utterances to which nothing is to be added.
        fillers: sounds made while looking for a word.
        open_words: words behind which a sentence goes on: articles, conjunctions, possessives, prepositions.
        particles: prepositions that end a sentence behind one of `particle_verbs` ("come in").
        particle_verbs: see `particles`.
        closing_prepositions: those of them that may end a question ("where are you from").
        auxiliaries: verbs behind which a sentence goes on, unless a subject stands before them ("yes, I do").
        subjects: pronouns behind which a question goes on, where an auxiliary stands before them ("do you").
        open_subjects: pronouns that end no sentence.
        transitive: verbs behind which a statement goes on ("I would like").
        modifiers: words that stand before the noun they belong to.
        openers: words that begin a question.
        object_questions: openers of questions that may end in a transitive verb ("what do you have").
        endings: several words at the end behind which a sentence goes on.
        complete: whole utterances that the rules above would take for unfinished.
        politeness: words at the end that change nothing.
        numbers: number words.
        days: words that name a day or a part of one.
    """

    backchannels: frozenset[str] = _NO_WORDS
    silencers: frozenset[str] = _NO_WORDS
    answers: frozenset[str] = _NO_WORDS
    fillers: frozenset[str] = _NO_WORDS
    open_words: frozenset[str] = _NO_WORDS
    particles: frozenset[str] = _NO_WORDS
    particle_verbs: frozenset[str] = _NO_WORDS
    closing_prepositions: frozenset[str] = _NO_WORDS
    auxiliaries: frozenset[str] = _NO_WORDS
    subjects: frozenset[str] = _NO_WORDS
    open_subjects: frozenset[str] = _NO_WORDS
    transitive: frozenset[str] = _NO_WORDS
    modifiers: frozenset[str] = _NO_WORDS
    openers: frozenset[str] = _NO_WORDS
    object_questions: frozenset[str] = _NO_WORDS
    endings: tuple[str, ...] = ()
    complete: frozenset[str] = _NO_WORDS
    politeness: frozenset[str] = _NO_WORDS
    numbers: frozenset[str] = _NO_WORDS
    days: frozenset[str] = _NO_WORDS


def word_set(text: str) -> frozenset[str]:
    """Words parted by spaces."""
    return frozenset(text.split())


def phrase_set(text: str) -> frozenset[str]:
    """Phrases parted by bars."""
    return frozenset(line.strip() for line in text.split("|"))
