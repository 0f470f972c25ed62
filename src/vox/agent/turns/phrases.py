"""What callers say that matters to turn taking, as tables per language. English has one; other languages have none yet.

Words are in lower case without punctuation, as `spoken_words` gives them.
"""

import re
from dataclasses import dataclass

_NO_WORDS = frozenset[str]()
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")  # noqa: RUF001  the typographic apostrophe is meant
_MARKS = str.maketrans({"’": "'"})  # noqa: RUF001


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


def spoken_words(text: str) -> list[str]:
    """The words of a transcript, in lower case, without punctuation."""
    return _WORD.findall(text.casefold().translate(_MARKS))


def phrases_of(language: str) -> Phrases:
    """The table of a language (BCP-47, empty: English); an empty one where there is none."""
    primary = language.replace("_", "-").partition("-")[0].casefold()
    return _TABLES.get(primary or "en", _NONE)


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _lines(text: str) -> frozenset[str]:
    return frozenset(line.strip() for line in text.split("|"))


_NONE = Phrases()
_ENGLISH = Phrases(
    backchannels=_lines(
        "uh huh|uh-huh|uhhuh|uh|um|hm|hmm|mm|mmm|mhm|mm hm|mm-hm|mm hmm|mm-hmm|mmhmm|m-hm|ah|oh|aha|ah ha|huh|yeah|yeah yeah|yep"
        "|yup|yes|okay|ok|okay okay|right|i see|sure|all right|alright|got it|great|good|cool|nice|fine|yes yes|oh okay|yeah okay"
    ),
    silencers=_lines(
        "stop|stop stop|stop it|please stop|stop please|stop talking|please stop talking|wait|wait wait|wait please|please wait"
        "|wait a moment|wait a minute|wait a second|hold on|hang on|hold on a second|one moment|one moment please|just a moment"
        "|quiet|be quiet|please be quiet|silence|hush|shush|shut up|enough|that's enough|okay stop|no stop"
    ),
    answers=_lines(
        "yes|yes please|yeah|yep|yup|sure|of course|correct|that's correct|that's right|right|exactly|okay|ok|fine|please do|yes it is"
        "|yes that's right|yes that's correct|yes correct|that is right|that is correct|absolutely|definitely|no|no thanks"
        "|no thank you|nope|nothing|nothing else|that's all|that's it|that is all|no that's all|no that's it|not really|neither"
        "|thanks|thank you|thank you very much|bye|goodbye|good bye|bye bye|hello|hi|help|repeat|cancel|start over|no idea"
        "|i don't know|never mind|neither of them|both|all of them"
    ),
    fillers=_set("um uh er erm uhm hmm hm mm ah eh well so like"),
    open_words=_set(
        "a an the and or but because if when while than that's my your his her our their its this these those every each any some no"
        " of to for from with without at in on by into onto about between before after until till during near around behind under"
        " over through against per as like whether which whose very too quite really rather pretty almost just even maybe perhaps"
        " is are am was were be been being there's here's what's where's who's how's when's it's i'm we're you're they're he's she's"
        " i'd we'd you'd they'd he'd she'd i'll we'll you'll they'll i've we've you've they've let's next last another other such"
        " what're how're roughly approximately let half quarter plus minus"
    ),
    particles=_set("in on over around by up out off about through"),
    particle_verbs=_set("come coming came get go going walk walking drop dropping move stay call sit hang check pop turn bring log sign"),
    closing_prepositions=_set("from for with at in on about like to of near by around after before over"),
    auxiliaries=_set(
        "is are am was were be do does did have has had can could will would shall should may might must won't can't couldn't"
        " wouldn't shouldn't don't doesn't didn't isn't aren't wasn't weren't haven't hasn't gonna wanna"
    ),
    subjects=_set("you i we they he she it there anyone someone that this"),
    open_subjects=_set("i we they he she who"),
    transitive=_set(
        "like want need have get got book reserve make take give bring order prefer cancel change move tell ask know find offer serve"
        " accept allow include cost charge recommend wonder wondering hoping looking calling trying going planning think believe say"
        " mean love hate buy sell use cover cater handle do see check confirm add remove put send show explain"
    ),
    modifiers=_set(
        "good nice big small large little new old hot cold main private high low gluten dairy nut fresh own best cheapest whole first"
        " second third credit debit gift set roast chocolate tomato opening closing public special extra different same more less fewer"
        " several many much few enough free vegetarian"
    ),
    openers=_set(
        "what where when which who whose why how is are am was were do does did can could will would shall should may have has isn't"
        " aren't don't doesn't can't couldn't what's where's when's who's how's what're what've what'd any anything is there are"
    ),
    object_questions=_set("what which who how where when why what's what've what'd"),
    endings=(
        "i would like", "i'd like", "would like to", "i want to", "i need to", "a table for", "how much", "how many", "how long",
        "how far", "what kind", "what sort", "what time", "which one of", "the name is", "my name is", "my number is", "number is",
        "it's for", "there are", "there is", "we will be", "we'll be", "as well as", "i was wondering", "i wonder", "could you please",
        "can you please", "do you know", "do you think", "can you tell me", "could you tell me", "tell me", "excuse me", "no wait",
        "wait no", "actually", "i mean", "let me see", "let me think", "let me check", "what about", "how about",
    ),
    complete=_lines(
        "how are you|who are you|where are you|what is it|who is it|what is this|what's that|what is that|what's this|i do|i am|we are"
        "|yes i am|yes i do|yes we are|yes we do|yes there are|yes there is|no i don't|how much is it|how much is that"
        "|what time is it|how old are you|how far is it|where is it|where is that|is that so|what do you have|what have you got"
        "|what do you serve|what do you offer|what do you recommend|what would you recommend|what can i have|what can i get|do it"
        "|what can you do|what do you do|that's what i want|that's what i said|i think so"
    ),
    politeness=_set("please thanks then"),
    numbers=_set(
        "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
        " nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred"
    ),
    days=_set(
        "today tonight tomorrow monday tuesday wednesday thursday friday saturday sunday morning afternoon evening noon midnight"
        " o'clock am pm weekend"
    ),
)  # fmt: skip
_TABLES = {"en": _ENGLISH}
