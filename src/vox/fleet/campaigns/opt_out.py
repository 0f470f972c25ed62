"""Whether a sentence asks not to be called again. Pure.

Rather one call too few than one too many: a clear request counts wherever it stands in the sentence, and its negation ("I never said stop
calling me") is not looked for.
"""

import re
from typing import Final

_PHRASES: Final = (
    # English
    r"(?:do not|don'?t|never|stop|quit) (?:\w+ )?(?:call|calling|phone|phoning|ring|ringing|contact|contacting)(?: me| us| here| this number)",
    r"(?:take|remove|delete|get) (?:me|us|my number|this number) (?:\w+ )?(?:off|from)\b",
    r"(?:put|add|place) (?:me|us|my number|this number) (?:on|to) (?:\w+ ){0,3}do[ -]not[ -]call",
    r"do[ -]not[ -]call (?:list|registry|register)",
    r"unsubscribe",
    r"opt(?:ing)?[ -]?(?:me )?out",
    # German
    r"rufen? sie (?:\w+ ){0,3}(?:nicht|nie) (?:mehr|wieder) an",
    r"ruft? (?:\w+ ){0,3}(?:nicht|nie) (?:mehr|wieder) an",
    r"(?:streichen|löschen|nehmen) sie (?:mich|meine nummer)",
    # Spanish
    r"no (?:me|nos) (?:vuelv[ae]n? a llamar|llamen?|llames)(?: m[aá]s)?",
    r"(?:qu[ií]ten?me|b[oó]rren?me|elim[ií]nen?me) de",
    # French
    r"ne (?:me|nous|m') ?(?:rappel|appel)\w+ (?:plus|pas|jamais)",
    r"(?:retirez|supprimez|enlevez)[ -]moi",
)
_OPT_OUT: Final = re.compile("|".join(rf"\b{phrase}" for phrase in _PHRASES), re.IGNORECASE)


def is_opt_out(text: str) -> bool:
    """Whether the words ask for no further calls."""
    return _OPT_OUT.search(" ".join(text.replace("\u2019", "'").split())) is not None
