"""German: compound numbers, ordinals by the word before them."""

from dataclasses import replace
from typing import Final

from vox.text.normalisation.language import Clock, Currency, Date, Gender, Language, Noun

_ONES: Final = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
]
_TENS: Final = ["null", "zehn", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]
_SCALES: Final = ((10**12, "Billion", "Billionen"), (10**9, "Milliarde", "Milliarden"), (10**6, "Million", "Millionen"))
_ORDINALS: Final = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}
_MONTHS: Final = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
]
_WEAK: Final = frozenset(("am", "dem", "den", "zum", "vom", "beim", "im", "des", "ab", "bis", "seit"))
_ARTICLES: Final = frozenset(("der", "die", "das", "jeder", "jede", "dieser", "diese"))
_FIRST_REGULAR: Final = 20


def cardinal(number: int, gender: Gender = "") -> str:
    """A number in words: "zweitausendfünfhundertsechs"; ending in one it agrees with the noun."""
    for size, one, many in _SCALES:
        if number >= size:
            count, rest = divmod(number, size)
            words = f"eine {one}" if count == 1 else f"{cardinal(count)} {many}"
            return words + (f" {cardinal(rest, gender)}" if rest else "")
    words = _below_million(number)
    if gender and words.endswith("eins"):
        return words.removesuffix("s") + ("e" if gender == "f" else "")
    return words


def _below_million(number: int) -> str:
    if number >= 1000:
        return f"{_joint(number // 1000)}tausend" + (_below_million(number % 1000) if number % 1000 else "")
    if number >= 100:
        return f"{_joint(number // 100)}hundert" + (_below_million(number % 100) if number % 100 else "")
    if number >= len(_ONES):
        ones = number % 10
        return (f"{_joint(ones)}und" if ones else "") + _TENS[number // 10]
    return _ONES[number]


def _joint(number: int) -> str:
    """A number as the first part of a compound."""
    words = _below_million(number)
    return words.removesuffix("s") if words.endswith("eins") else words


def ordinal(number: int, before: str = "") -> str:
    """An ordinal in words, by the word before it: "am dritten", "der dritte", "dritter"."""
    head, rest = divmod(number, 100)
    words = cardinal(head * 100) if head and rest else ""
    last = rest or number
    stem = _ORDINALS.get(last) or cardinal(last) + ("t" if 0 < last < _FIRST_REGULAR else "st")
    return words + stem + ("en" if before in _WEAK else "e" if before in _ARTICLES else "er")


def year(number: int) -> str:
    """A year: "neunzehnhundertneunundneunzig"."""
    century, rest = divmod(number, 100)
    if 11 <= century < 20:
        return f"{cardinal(century)}hundert" + (cardinal(rest) if rest else "")
    return cardinal(number)


def _date(date: Date) -> str:
    end = f" {year(date.year)}" if date.year is not None else ""
    return f"{ordinal(date.day, date.before)} {_MONTHS[date.month - 1]}{end}"


def _clock(clock: Clock) -> str:
    hour = "ein" if clock.hour == 1 else cardinal(clock.hour)
    return f"{hour} Uhr" + (f" {cardinal(clock.minute)}" if clock.minute else "")


def _cents(whole: str, cents: int, currency: Currency) -> str:
    if currency.cent is None:
        return whole
    return f"{whole} {cardinal(cents)}" if whole else f"{cardinal(cents, currency.cent.gender)} {currency.cent.many}"


_EURO: Final = Currency(Noun("Euro", "Euro"), Noun("Cent", "Cent"))
_DOLLAR: Final = Currency(Noun("Dollar", "Dollar"), Noun("Cent", "Cent"))
_POUND: Final = Currency(Noun("Pfund", "Pfund", "n"), Noun("Penny", "Pence"))
_FRANC: Final = Currency(Noun("Franken", "Franken"), Noun("Rappen", "Rappen"))
_YEN: Final = Currency(Noun("Yen", "Yen"), None)

GERMAN: Final = Language(
    cardinal=cardinal,
    agrees=lambda number: number % 100 == 1,
    ordinal=ordinal,
    year=year,
    digits=tuple(_ONES[:10]),
    date=_date,
    clock=_clock,
    cents=_cents,
    currencies={
        "€": _EURO, "EUR": _EURO, "$": _DOLLAR, "USD": _DOLLAR, "US$": _DOLLAR, "£": _POUND, "GBP": _POUND,
        "Euro": _EURO, "Dollar": _DOLLAR, "Franken": _FRANC,
        "CHF": _FRANC, "Fr.": _FRANC, "¥": _YEN, "JPY": _YEN,
    },
    units={
        "km": Noun("Kilometer", "Kilometer"),
        "m": Noun("Meter", "Meter"),
        "cm": Noun("Zentimeter", "Zentimeter"),
        "mm": Noun("Millimeter", "Millimeter"),
        "km/h": Noun("Kilometer pro Stunde", "Kilometer pro Stunde"),
        "kg": Noun("Kilogramm", "Kilogramm", "n"),
        "g": Noun("Gramm", "Gramm", "n"),
        "mg": Noun("Milligramm", "Milligramm", "n"),
        "l": Noun("Liter", "Liter"),
        "ml": Noun("Milliliter", "Milliliter"),
        "°": Noun("Grad", "Grad"),
        "°C": Noun("Grad Celsius", "Grad Celsius"),
        "°F": Noun("Grad Fahrenheit", "Grad Fahrenheit"),
        "kB": Noun("Kilobyte", "Kilobyte"),
        "MB": Noun("Megabyte", "Megabyte"),
        "GB": Noun("Gigabyte", "Gigabyte"),
        "TB": Noun("Terabyte", "Terabyte"),
        "kW": Noun("Kilowatt", "Kilowatt"),
        "kWh": Noun("Kilowattstunde", "Kilowattstunden", "f"),
        "min": Noun("Minute", "Minuten", "f"),
        "Min.": Noun("Minute", "Minuten", "f"),
        "Std.": Noun("Stunde", "Stunden", "f"),
    },
    months={
        **{name.lower(): number for number, name in enumerate(_MONTHS, 1)},
        "jan": 1, "jänner": 1, "feb": 2, "mär": 3, "apr": 4, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "sept": 9,
        "okt": 10, "nov": 11, "dez": 12,
    },
    scales={
        "tausend": "tausend", "million": "Million", "millionen": "Millionen", "mio.": "Millionen",
        "milliarde": "Milliarde", "milliarden": "Milliarden", "mrd.": "Milliarden",
    },
    decimal=",",
    groups=".",
    point="Komma",
    dot="Punkt",
    percent=Noun("Prozent", "Prozent", "n"),
    minus="minus",
    plus="plus",
    to="bis",
    number="Nummer",
    ordinal_marks=r"\.(?=\s\p{L})",
    articles=_WEAK | _ARTICLES,
    hour_marks=r"Uhr",
    day=r"\.",
    year_words=frozenset(("jahr", "jahre", "seit", "anno", "um", "von", "bis", "ab", "vor", "nach")),
    code_words=frozenset(("code", "pin", "passwort", "kennwort", "durchwahl", "kundennummer", "vorwahl")),
    postcodes=r"(?<=(?:^|,\s|\bin\s|D-))[0-9]{5}(?=\s\p{Lu}\p{Ll})",
    abbreviations=(
        (r"(?<=\p{Ll})str\.(?=\s\p{N})", "straße"),
        (r"\bStr\.(?=\s\p{N})", "Straße"),
        (r"(?<=\p{Ll})pl\.(?=\s\p{N})", "platz"),
        (r"\bNr\.(?=\s\p{N})", "Nummer"),
        (r"\bTel\.(?=:?\s*[+(]?\p{N})", "Telefon"),
    ),
    has_capital_months=True,
    fractions={"1/2": "ein halb", "1/3": "ein Drittel", "2/3": "zwei Drittel", "1/4": "ein Viertel", "3/4": "drei Viertel"},
)  # fmt: skip
"""German, with the numbers of Germany and Austria."""

GERMAN_SWISS: Final = replace(GERMAN, decimal=".", groups="'’")
"""German of Switzerland: apostrophes between thousands, a point before decimals."""
