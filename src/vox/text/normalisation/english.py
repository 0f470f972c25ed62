"""English: numbers without "and", dates by ordinals, years in pairs."""

from dataclasses import replace
from typing import Final

from vox.text.normalisation.language import Clock, Currency, Date, Gender, Language, Noun

_ONES: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS: Final = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES: Final = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_ORDINALS: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_HOURS_A_HALF_DAY: Final = 12


def cardinal(number: int, _gender: Gender = "") -> str:
    """A number in words: "two thousand five hundred six"."""
    for size, name in _SCALES:
        if number >= size:
            rest = number % size
            return f"{cardinal(number // size)} {name}" + (f" {cardinal(rest)}" if rest else "")
    if number >= 100:
        rest = number % 100
        return f"{_ONES[number // 100]} hundred" + (f" {cardinal(rest)}" if rest else "")
    if number >= len(_ONES):
        ones = number % 10
        return _TENS[number // 10] + (f"-{_ONES[ones]}" if ones else "")
    return _ONES[number]


def ordinal(number: int, _before: str = "") -> str:
    """An ordinal in words: "twenty-first"."""
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last in _ORDINALS:
        return words[:cut] + _ORDINALS[last]
    return words[:cut] + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def year(number: int) -> str:
    """A year in pairs: "nineteen ninety-nine", "two thousand five"."""
    century, rest = divmod(number, 100)
    if number % 1000 < 10 or not 11 <= century < 100:
        return cardinal(number)
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def _date(date: Date) -> str:
    end = f", {year(date.year)}" if date.year is not None else ""
    if date.before == "the":
        return f"{ordinal(date.day)} of {_MONTHS[date.month - 1]}{end}"
    return f"{_MONTHS[date.month - 1]} {ordinal(date.day)}{end}"


def _date_day_first(date: Date) -> str:
    article = "" if date.before == "the" else "the "
    return f"{article}{_date(replace(date, before='the'))}"


def _clock(clock: Clock) -> str:
    half = f" {clock.half.upper()}" if clock.half else ""
    if clock.minute:
        minute = f"oh {_ONES[clock.minute]}" if clock.minute < 10 else cardinal(clock.minute)
        return f"{cardinal(clock.hour)} {minute}{half}"
    if clock.half:
        return cardinal(clock.hour) + half
    if not clock.hour:
        return "midnight"
    return cardinal(clock.hour) + (" o'clock" if clock.hour <= _HOURS_A_HALF_DAY else " hundred hours")


def _cents(whole: str, cents: int, currency: Currency) -> str:
    if currency.cent is None:
        return whole
    part = f"{cardinal(cents)} {currency.cent.one if cents == 1 else currency.cent.many}"
    return f"{whole} and {part}" if whole else part


_DOLLAR: Final = Currency(Noun("dollar", "dollars"), Noun("cent", "cents"))
_EURO: Final = Currency(Noun("euro", "euros"), Noun("cent", "cents"))
_POUND: Final = Currency(Noun("pound", "pounds"), Noun("penny", "pence"))
_YEN: Final = Currency(Noun("yen", "yen"), None)
_FRANC: Final = Currency(Noun("Swiss franc", "Swiss francs"), Noun("centime", "centimes"))
_RUPEE: Final = Currency(Noun("rupee", "rupees"), Noun("paisa", "paise"))

_SHORT_MONTHS: Final = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10, "nov": 11, "dec": 12}  # fmt: skip
_STREETS: Final = (
    "St|Street|Ave|Avenue|Blvd|Boulevard|Dr|Drive|Hwy|Highway|Ln|Lane|Pkwy|Parkway|Rd|Road|Sq|Square|Way|Court|Place"
)
_NAME: Final = r"(?<=\p{N}\p{Lu}?\s(?:[NSEW]\.?\s)?(?:\p{Lu}[\p{L}'’-]*\s|\p{N}+(?:st|nd|rd|th)\s){1,4})"

ENGLISH: Final = Language(
    cardinal=cardinal,
    agrees=lambda _number: False,
    ordinal=ordinal,
    year=year,
    digits=("zero", *_ONES[1:10]),
    date=_date,
    clock=_clock,
    cents=_cents,
    currencies={
        "$": _DOLLAR, "USD": _DOLLAR, "US$": _DOLLAR, "€": _EURO, "EUR": _EURO, "£": _POUND, "GBP": _POUND,
        "¥": _YEN, "JPY": _YEN, "CHF": _FRANC, "₹": _RUPEE, "INR": _RUPEE,
        "dollar": _DOLLAR, "dollars": _DOLLAR, "euro": _EURO, "euros": _EURO, "pounds": _POUND,
    },
    units={
        "km": Noun("kilometer", "kilometers"),
        "m": Noun("meter", "meters"),
        "cm": Noun("centimeter", "centimeters"),
        "mm": Noun("millimeter", "millimeters"),
        "km/h": Noun("kilometer per hour", "kilometers per hour"),
        "mph": Noun("mile per hour", "miles per hour"),
        "mi": Noun("mile", "miles"),
        "ft": Noun("foot", "feet"),
        "kg": Noun("kilogram", "kilograms"),
        "g": Noun("gram", "grams"),
        "mg": Noun("milligram", "milligrams"),
        "lb": Noun("pound", "pounds"),
        "lbs": Noun("pound", "pounds"),
        "oz": Noun("ounce", "ounces"),
        "l": Noun("liter", "liters"),
        "L": Noun("liter", "liters"),
        "ml": Noun("milliliter", "milliliters"),
        "°": Noun("degree", "degrees"),
        "°C": Noun("degree Celsius", "degrees Celsius"),
        "°F": Noun("degree Fahrenheit", "degrees Fahrenheit"),
        "kB": Noun("kilobyte", "kilobytes"),
        "MB": Noun("megabyte", "megabytes"),
        "GB": Noun("gigabyte", "gigabytes"),
        "TB": Noun("terabyte", "terabytes"),
        "kW": Noun("kilowatt", "kilowatts"),
        "kWh": Noun("kilowatt hour", "kilowatt hours"),
        "min": Noun("minute", "minutes"),
        "hrs": Noun("hour", "hours"),
    },
    months={**{name.lower(): number for number, name in enumerate(_MONTHS, 1)}, **_SHORT_MONTHS},
    scales={
        **{name: name for name in ("thousand", "million", "billion", "trillion")},
        "k": "thousand", "m": "million", "bn": "billion", "b": "billion",
    },
    decimal=".",
    groups=",",
    point="point",
    dot="point",
    percent=Noun("percent", "percent"),
    minus="minus",
    plus="plus",
    to="to",
    number="number",
    ordinal_marks=r"st|nd|rd|th",
    day=r"(?:st|nd|rd|th)?(?:\sof)?",
    year_words=frozenset(("in", "since", "from", "until", "till", "by", "before", "after", "year", "during", "of", "circa", "around")),
    code_words=frozenset(("code", "pin", "passcode", "password", "otp", "extension", "ext")),
    postcodes=r"(?<=\b\p{Lu}{2}\s)[0-9]{5}(?:-[0-9]{4})?",
    house_numbers=rf"[1-9][0-9]{{2,3}}(?=\s(?:[NSEW]\.?\s)?(?:\p{{Lu}}[\p{{L}}'’-]*\s){{1,3}}(?:{_STREETS})\b)",
    abbreviations=(
        (r"\bNo\.(?=\s\p{N})", "number"),
        (_NAME + r"Ave\b\.?", "Avenue"),
        (_NAME + r"Blvd\b\.?", "Boulevard"),
        (_NAME + r"Dr\b\.?", "Drive"),
        (_NAME + r"Hwy\b\.?", "Highway"),
        (_NAME + r"Ln\b\.?", "Lane"),
        (_NAME + r"Pkwy\b\.?", "Parkway"),
        (_NAME + r"Rd\b\.?", "Road"),
        (_NAME + r"Sq\b\.?", "Square"),
        (_NAME + r"St\b\.?", "Street"),
        (r"\bApt\b\.?(?=\s\p{N})", "apartment"),
        (r"\bSte\b\.?(?=\s\p{N})", "suite"),
    ),
    is_month_first=True,
    names_month_first=True,
    has_capital_months=True,
    fractions={"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters", "24/7": "twenty-four seven"},
)  # fmt: skip
"""English as it is spoken in the United States."""

ENGLISH_DAY_FIRST: Final = replace(ENGLISH, is_month_first=False, date=_date_day_first)
"""English of Britain, Ireland, Australia and others, where 5/3 is the fifth of March."""
