"""Takes numbers out of what was said, however they were written down: card numbers, codes, dates of birth.

Digits and numerals of every script, and number words of English, German, French, Spanish, Italian, Portuguese and Dutch, compounds
included. All languages at once, because a caller may answer in another one than they were asked in; what is redacted without need
costs less than a number that is kept.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final, Literal

import regex

REDACTED: Final = "[redacted]"

_LANGUAGES: Final = {
    "English": """
        zero nought naught one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
        eighteen nineteen twenty thirty forty fourty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million
        millions first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
        sixteenth seventeenth eighteenth nineteenth twentieth thirtieth
    """,
    "German": """
        null eins zwei zwo drei vier funf fuenf sechs sieben acht neun zehn elf zwolf zwoelf dreizehn vierzehn funfzehn fuenfzehn
        sechzehn siebzehn achtzehn neunzehn zwanzig dreissig vierzig funfzig fuenfzig sechzig siebzig achtzig neunzig hundert tausend
        million millionen
    """,
    "French": """
        deux trois quatre cinq sept huit neuf dix onze douze treize quatorze quinze seize vingt vingts trente quarante cinquante
        soixante septante huitante octante nonante cents mille
    """,
    "Spanish": """
        cero uno dos tres cuatro cinco seis siete ocho nueve diez doce trece catorce quince dieciseis diecisiete dieciocho
        diecinueve veinte veintiun veintiuno veintidos veintitres veinticuatro veinticinco veintiseis veintisiete veintiocho
        veintinueve treinta cuarenta cincuenta sesenta setenta ochenta noventa cien ciento cientos doscientos trescientos
        cuatrocientos quinientos seiscientos setecientos ochocientos novecientos mil
    """,
    "Italian": """
        quattro cinque sette otto dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove venti
        trenta quaranta cinquanta sessanta settanta ottanta novanta cento mila duecento trecento quattrocento cinquecento seicento
        settecento ottocento novecento
    """,
    "Portuguese": """
        dois duas quatro sete oito nove dez onze doze treze catorze quatorze quinze dezesseis dezasseis dezessete dezassete dezoito
        dezenove dezanove vinte trinta quarenta cinquenta sessenta setenta oitenta noventa cem duzentos trezentos quatrocentos
        quinhentos seiscentos setecentos oitocentos novecentos
    """,
    "Dutch": """
        nul twee drie vijf zes zeven negen tien twaalf dertien veertien vijftien zestien zeventien achttien negentien twintig dertig
        veertig vijftig zestig zeventig tachtig negentig honderd duizend miljoen
    """,
}
_NUMBERS: Final = frozenset(" ".join(_LANGUAGES.values()).split())
_AMBIGUOUS: Final = """
    oh o a double triple treble ein eine einen un une una um uma een due tre sei once cent vent trent quarant cinquant sessant
    settant ottant novant meia
"""
_BESIDE_NUMBERS: Final = frozenset(_AMBIGUOUS.split())
"""Articles, and words of another meaning in some language: numbers where one stands beside them."""
_GLUE: Final = frozenset(
    ("and", "und", "et", "y", "e", "en", "plus", "point", "komma", "comma", "dash", "slash", "minus", "hyphen")
)
_STEMS: Final = frozenset(
    (
        "ein",
        "een",
        "un",
        "due",
        "tre",
        "sei",
        "vent",
        "trent",
        "quarant",
        "cinquant",
        "sessant",
        "settant",
        "ottant",
        "novant",
    )
)
_IN_COMPOUNDS: Final = _NUMBERS | _STEMS
_COMPOUND_GLUE: Final = ("", "und", "en", "e", "y", "et")
_ENDINGS: Final = frozenset(("", "st", "ste", "sten", "ster", "stes", "te", "ten", "ter", "tes", "th"))
_LONGEST_PART: Final = max(map(len, _IN_COMPOUNDS))
_NUMERALS: Final = "〇零一二三四五六七八九十百千万萬億幺两兩"
_TOKEN: Final = regex.compile(rf"[\p{{N}}{_NUMERALS}]+|(?:(?![{_NUMERALS}])[\p{{L}}\p{{M}}])+")

_Kind = Literal["number", "beside", "glue", "other"]


def redact_numbers(text: str) -> str:
    """The text with each run of numbers, and what stands between them, as one `[redacted]`."""
    pieces: list[str] = []
    kept = 0
    for begin, end in _runs(text):
        pieces += (text[kept:begin], REDACTED)
        kept = end
    return "".join((*pieces, text[kept:]))


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Where numbers begin and end, with those words beside them that belong to them."""
    run: list[tuple[_Kind, int, int]] = []
    for match in (*_TOKEN.finditer(text), None):
        kind: _Kind = "other" if match is None else _kind(match.group())
        if match is not None and kind != "other":
            run.append((kind, match.start(), match.end()))
            continue
        while run and run[-1][0] == "glue":
            run.pop()
        while run and run[0][0] == "glue":
            run.pop(0)
        if any(kind == "number" for kind, _, _ in run):
            yield run[0][1], run[-1][2]
        run.clear()


def _kind(token: str) -> _Kind:
    if token[0] in _NUMERALS or unicodedata.category(token[0]).startswith("N"):
        return "number"
    word = "".join(
        char
        for char in unicodedata.normalize("NFKD", token.casefold())
        if not unicodedata.category(char).startswith("M")
    )
    if word in _GLUE:
        return "glue"
    if word in _NUMBERS or _is_compound(word):
        return "number"
    return "beside" if word in _BESIDE_NUMBERS else "other"


def _is_compound(word: str) -> bool:
    """Whether a word is made of number words, such as `einundzwanzig`, perhaps with an ordinal's ending."""
    ends = {0}
    for start in range(len(word)):
        if start in ends:
            for glue in _COMPOUND_GLUE if start else ("",):
                if word.startswith(glue, start):
                    begin = start + len(glue)
                    longest = min(len(word), begin + _LONGEST_PART)
                    ends.update(end for end in range(begin + 1, longest + 1) if word[begin:end] in _IN_COMPOUNDS)
    return any(word[end:] in _ENDINGS and word[:end] not in _STEMS for end in ends if end)
