"""French, with the numbers of France and of Belgium and Switzerland."""

from dataclasses import replace
from typing import Final

from vox.text.normalisation.language import Clock, Currency, Date, Gender, Language, Noun

_ONES: Final = [
    "zéro",
    "un",
    "deux",
    "trois",
    "quatre",
    "cinq",
    "six",
    "sept",
    "huit",
    "neuf",
    "dix",
    "onze",
    "douze",
    "treize",
    "quatorze",
    "quinze",
    "seize",
    "dix-sept",
    "dix-huit",
    "dix-neuf",
]
_TENS: Final = {2: "vingt", 3: "trente", 4: "quarante", 5: "cinquante", 6: "soixante"}
_SEPTANTE: Final = {**_TENS, 7: "septante", 8: "quatre-vingt", 9: "nonante"}
_SCALES: Final = ((10**12, "billion"), (10**9, "milliard"), (10**6, "million"))
_MONTHS: Final = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]


class _Numbers:
    """Whole numbers in words, with seventy and ninety either way."""

    def __init__(self, *, has_septante: bool = False) -> None:
        self._tens = _SEPTANTE if has_septante else _TENS

    def __call__(self, number: int, gender: Gender = "", /) -> str:
        for size, name in _SCALES:
            if number >= size:
                count, rest = divmod(number, size)
                words = f"{self(count)} {name}{'s' if count > 1 else ''}"
                return words + (f" {self(rest, gender)}" if rest else "")
        words = self._below_million(number)
        return f"{words}e" if gender == "f" and (words == "un" or words.endswith((" un", "-un"))) else words

    def _below_million(self, number: int, *, is_last: bool = True) -> str:
        """`is_last`: no word follows that would take the plural's s."""
        if number >= 1000:
            count, rest = divmod(number, 1000)
            head = "mille" if count == 1 else f"{self._below_million(count, is_last=False)} mille"
            return head + (f" {self._below_million(rest)}" if rest else "")
        if number >= 100:
            count, rest = divmod(number, 100)
            head = "cent" if count == 1 else f"{_ONES[count]} cent"
            return (
                f"{head} {self._below_million(rest, is_last=is_last)}" if rest else head + "s" * (count > 1 and is_last)
            )
        if number < len(_ONES):
            return _ONES[number]
        tens, ones = divmod(number, 10)
        if tens not in self._tens:  # seventy and ninety by twenties, and eighty
            tens, ones = (tens // 2 * 2, number - tens // 2 * 20)
            if tens == 8:
                return f"quatre-vingt-{_ONES[ones]}" if ones else "quatre-vingt" + "s" * is_last
        head = self._tens[tens]
        if not ones:
            return head + "s" * (tens == 8 and is_last)
        return f"{head} et {_ONES[ones]}" if ones in {1, 11} and tens != 8 else f"{head}-{_ONES[ones]}"


_cardinal: Final = _Numbers()


def _ordinal(number: int, mark: str = "") -> str:
    if number == 1:
        return "première" if mark in {"re", "ère"} else "premier"
    words = _cardinal(number)
    if words.endswith("cinq"):
        return f"{words}uième"
    if words.endswith("neuf"):
        return f"{words[:-1]}vième"
    return words.removesuffix("e").removesuffix("s" if words.endswith(("vingts", "cents")) else " ") + "ième"


def _date(date: Date) -> str:
    day = "premier" if date.day == 1 else _cardinal(date.day)
    return f"{day} {_MONTHS[date.month - 1]}" + (f" {_cardinal(date.year)}" if date.year is not None else "")


def _clock(clock: Clock) -> str:
    hours = f"{_cardinal(clock.hour, 'f')} heure{'s' if clock.hour > 1 else ''}"
    return hours + (f" {_cardinal(clock.minute)}" if clock.minute else "")


def _cents(whole: str, cents: int, currency: Currency) -> str:
    if currency.cent is None:
        return whole
    part = f"{_cardinal(cents)} {currency.cent.one if cents == 1 else currency.cent.many}"
    return f"{whole} {_cardinal(cents)}" if whole else part


_EURO: Final = Currency(Noun("euro", "euros", of="d'"), Noun("centime", "centimes"))
_DOLLAR: Final = Currency(Noun("dollar", "dollars", of="de "), Noun("cent", "cents"))
_POUND: Final = Currency(Noun("livre", "livres", "f", of="de "), Noun("penny", "pence"))
_FRANC: Final = Currency(Noun("franc suisse", "francs suisses", of="de "), Noun("centime", "centimes"))
_YEN: Final = Currency(Noun("yen", "yens", of="de "), None)

FRENCH: Final = Language(
    cardinal=_cardinal,
    agrees=lambda number: number % 10 == 1 and number % 100 not in {11, 71, 81, 91},
    ordinal=_ordinal,
    year=_cardinal,
    digits=tuple(_ONES[:10]),
    date=_date,
    clock=_clock,
    cents=_cents,
    currencies={
        "€": _EURO, "EUR": _EURO, "$": _DOLLAR, "USD": _DOLLAR, "US$": _DOLLAR, "£": _POUND, "GBP": _POUND,
        "euro": _EURO, "euros": _EURO, "dollar": _DOLLAR, "dollars": _DOLLAR,
        "CHF": _FRANC, "¥": _YEN, "JPY": _YEN,
    },
    units={
        "km": Noun("kilomètre", "kilomètres"),
        "m": Noun("mètre", "mètres"),
        "cm": Noun("centimètre", "centimètres"),
        "mm": Noun("millimètre", "millimètres"),
        "km/h": Noun("kilomètre par heure", "kilomètres par heure"),
        "kg": Noun("kilogramme", "kilogrammes"),
        "g": Noun("gramme", "grammes"),
        "mg": Noun("milligramme", "milligrammes"),
        "l": Noun("litre", "litres"),
        "ml": Noun("millilitre", "millilitres"),
        "°": Noun("degré", "degrés"),
        "°C": Noun("degré Celsius", "degrés Celsius"),
        "°F": Noun("degré Fahrenheit", "degrés Fahrenheit"),
        "Mo": Noun("mégaoctet", "mégaoctets"),
        "Go": Noun("gigaoctet", "gigaoctets"),
        "kW": Noun("kilowatt", "kilowatts"),
        "kWh": Noun("kilowattheure", "kilowattheures"),
        "min": Noun("minute", "minutes", "f"),
    },
    months={
        **{name: number for number, name in enumerate(_MONTHS, 1)},
        "janv": 1, "fév": 2, "févr": 2, "avr": 4, "juil": 7, "sept": 9, "oct": 10, "nov": 11, "déc": 12,
    },
    scales={
        "mille": "mille", "million": "million", "millions": "millions", "milliard": "milliard", "milliards": "milliards",
        "m": "millions",
    },
    decimal=",",
    groups=" .",
    point="virgule",
    dot="point",
    percent=Noun("pour cent", "pour cent"),
    minus="moins",
    plus="plus",
    to="à",
    number="numéro",
    ordinal_marks=r"er|re|ère|ème|e",
    hour_marks=r"h|heures?",
    day=r"(?:er)?",
    phones=r"0[1-9](?:[ .-]?[0-9]{2}){4}",
    code_words=frozenset(("code", "pin", "poste")),
    says_pairs=True,
    says_decimals=True,
    abbreviations=(
        (r"(?<=\p{N}(?:\s(?:bis|ter))?,?\s)av\.(?=\s\p{L})", "avenue"),
        (r"(?<=\p{N}(?:\s(?:bis|ter))?,?\s)(?:bd|boul)\b\.?(?=\s\p{L})", "boulevard"),
        (r"(?<=\p{N}(?:\s(?:bis|ter))?,?\s)pl\.(?=\s\p{L})", "place"),
        (r"\bn[°º]\s?(?=\p{N})", "numéro "),
        (r"\b[Tt]él\.(?=\s?:?\s*[+(]?\p{N})", "téléphone"),
    ),
    fractions={"1/2": "un demi", "1/3": "un tiers", "2/3": "deux tiers", "1/4": "un quart", "3/4": "trois quarts"},
)  # fmt: skip
"""French of France and Canada."""

_septante: Final = _Numbers(has_septante=True)
FRENCH_SEPTANTE: Final = replace(FRENCH, cardinal=_septante, year=_septante)
"""French of Belgium and Switzerland."""

FRENCH_SWISS: Final = replace(FRENCH_SEPTANTE, decimal=".", groups="'’ ")
"""French of Switzerland: apostrophes between thousands, a point before decimals."""
