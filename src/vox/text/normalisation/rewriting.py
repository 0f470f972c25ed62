"""What of a written text is said in other words: finds numbers and what is made of them, and says each in a language.

Rules are tried in the order of `_RULES`; what one has taken no later one sees. Where the right words depend on what is not known
(the gender of a noun, the language itself), the text stays as it is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import regex

from vox.text.normalisation.english import ENGLISH, ENGLISH_DAY_FIRST
from vox.text.normalisation.french import FRENCH, FRENCH_SEPTANTE, FRENCH_SWISS
from vox.text.normalisation.german import GERMAN, GERMAN_SWISS
from vox.text.normalisation.language import LARGEST, Clock, Currency, Date, Language, Noun, spelled
from vox.text.normalisation.spanish import SPANISH, SPANISH_DOLLAR, SPANISH_POINT

_DIGIT: Final = regex.compile(r"[0-9]")
_WORD_BEFORE: Final = regex.compile(r"(\p{L}+)[\s:]*$")
_RANGE: Final = regex.compile(r"\s?[-–—]\s?")

_LEFT: Final = r"(?<![\p{L}\p{N}_])(?<!\p{N}[A-Z]*[.,:/])"
_RIGHT: Final = r"(?![\p{L}\p{N}_])(?![.,:/][A-Z]*\p{N})"

_LONG_DIGITS: Final = 7
"""From this length on digits without marks are a code or a telephone number, unless they end in zeros."""
_FIRST_YEAR, _LAST_YEAR = 1100, 2099
_LONGEST_WORD: Final = 4
"""Letters of a code that are still spelled; more are a word or a name."""
_MONTHS: Final = 12
_DAYS: Final = 31
_HOURS: Final = 24
_CENTS: Final = 2
_SHORT_YEAR: Final = 70

_LANGUAGES: Final = {
    "en": ENGLISH,
    **{f"en-{region}": ENGLISH_DAY_FIRST for region in ("gb", "au", "nz", "ie", "in", "za", "sg", "hk", "ng", "ke")},
    "de": GERMAN,
    **{f"de-{region}": GERMAN_SWISS for region in ("ch", "li")},
    "fr": FRENCH,
    "fr-be": FRENCH_SEPTANTE,
    "fr-ch": FRENCH_SWISS,
    "es": SPANISH,
    "es-mx": SPANISH_POINT,
    **{f"es-{region}": SPANISH_DOLLAR for region in ("us", "pr", "do", "gt", "hn", "ni", "pa", "sv")},
}


@dataclass(frozen=True, slots=True)
class Rewrite:
    """`text[start:end]` is said as `spoken`."""

    start: int
    end: int
    spoken: str


def language_of(tag: str) -> Language | None:
    """The language of a BCP 47 tag, by its region where that matters; None where there is none."""
    primary, _, rest = tag.replace("_", "-").lower().partition("-")
    region = next((part for part in rest.split("-") if len(part) == 2), "")
    return _LANGUAGES.get(f"{primary}-{region}") or _LANGUAGES.get(primary)


def rewrites(text: str, tag: str) -> list[Rewrite]:
    """What of the text is said in other words in the language of this tag, in order; nothing in a language that is not known."""
    language = language_of(tag)
    if language is None or not _DIGIT.search(text):
        return []
    found: list[Rewrite] = []
    for pattern, say in _rules(language):
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < other.end and other.start < end for other in found):
                continue
            spoken = say(match, language)
            if spoken is not None and spoken != match.group():
                is_last = end == len(text) and match.group().endswith(".") and not spoken.endswith(".")
                found.append(Rewrite(start, end, f"{spoken}." if is_last else spoken))
    found.sort(key=lambda rewrite: rewrite.start)
    return [*_with_ranges(text, found, language)]


def normalised(text: str, tag: str) -> str:
    """The text as it is said."""
    for one in reversed(rewrites(text, tag)):
        text = text[: one.start] + one.spoken + text[one.end :]
    return text


def _with_ranges(text: str, found: list[Rewrite], language: Language) -> Iterator[Rewrite]:
    """A dash between two numbers is a word."""
    last: Rewrite | None = None
    for rewrite in found:
        if last is not None and _RANGE.fullmatch(text, last.end, rewrite.start):
            yield Rewrite(last.end, rewrite.start, f" {language.to} ")
        yield rewrite
        last = rewrite


# What numbers are


def _whole_and_decimals(written: str, language: Language) -> tuple[int, str]:
    whole, _, decimals = written.partition(language.decimal)
    return int("".join(char for char in whole if char in "0123456789")), decimals


def _amount(written: str, language: Language, noun: Noun | None = None) -> str | None:
    """A number in words; None where it is too large for them."""
    whole, decimals = _whole_and_decimals(written, language)
    if whole >= LARGEST:
        return None
    if not decimals:
        return language.cardinal(whole, noun.gender if noun is not None else "")
    return f"{language.cardinal(whole)} {language.point} {_decimals(decimals, language)}"


def _decimals(decimals: str, language: Language) -> str:
    if language.says_decimals and len(decimals) <= _CENTS and not decimals.startswith("0"):
        return language.cardinal(int(decimals))
    return spelled(decimals, language)


def _signed(match: "regex.Match[str]", language: Language) -> str:
    sign = match["sign"]
    return {"": "", "+": f"{language.plus} "}.get(sign or "", f"{language.minus} ")


def _counted(match: "regex.Match[str]", language: Language, noun: Noun) -> str | None:
    amount = _amount(match["number"], language, noun)
    if amount is None:
        return None
    is_one = _whole_and_decimals(match["number"], language) == (1, "")
    return f"{_signed(match, language)}{amount} {noun.one if is_one else noun.many}"


def _before(match: "regex.Match[str]") -> str:
    found = _WORD_BEFORE.search(match.string, 0, match.start())
    return found[1].lower() if found else ""


def _in_groups(digits: str) -> list[str]:
    """Digits in threes, with four at the end where one would be left alone; up to five stay together."""
    groups: list[str] = []
    while len(digits) > (4 if groups else 5):
        groups.append(digits[:3])
        digits = digits[3:]
    return [*groups, digits]


# The rules


def _card(match: "regex.Match[str]", language: Language) -> str:
    return ", ".join(spelled(group, language) for group in regex.findall(r"[0-9]+", match.group()))


def _phone(match: "regex.Match[str]", language: Language) -> str | None:
    groups: list[str] = regex.findall(r"[0-9]+", match.group())
    if not 7 <= sum(map(len, groups)) <= 15:
        return None
    said = [
        language.cardinal(int(part)) if language.says_pairs and len(part) == 2 and part[0] != "0" else spelled(part, language)
        for group in groups
        for part in _in_groups(group)
    ]  # fmt: skip
    return (f"{language.plus} " if match.group().startswith("+") else "") + ", ".join(said)


def _named_date(match: "regex.Match[str]", language: Language) -> str | None:
    month = language.months.get(match["month"].lower().rstrip("."))
    if month is None or not 1 <= int(match["day"]) <= _DAYS:
        return None
    year = int(match["year"]) if match["year"] else None
    return language.date(Date(int(match["day"]), month, year, _before(match)))


def _iso_date(match: "regex.Match[str]", language: Language) -> str | None:
    return _valid_date(int(match[3]), int(match[2]), int(match[1]), match, language)


def _digit_date(match: "regex.Match[str]", language: Language) -> str | None:
    first, second, year = int(match["first"]), int(match["second"]), int(match["year"] or -1)
    if 0 <= year < 100:
        year += 2000 if year < _SHORT_YEAR else 1900
    is_month_first = (language.is_month_first and first <= _MONTHS) or second > _MONTHS
    day, month = (second, first) if is_month_first and match["mark"] != "." else (first, second)
    return _valid_date(day, month, year, match, language)


def _valid_date(day: int, month: int, year: int, match: "regex.Match[str]", language: Language) -> str | None:
    if not (1 <= day <= _DAYS and 1 <= month <= _MONTHS):
        return None
    return language.date(Date(day, month, year if year >= 0 else None, _before(match)))


def _time(match: "regex.Match[str]", language: Language) -> str | None:
    groups = match.groupdict()
    hour, minute, half = int(match["hour"]), int(groups.get("minute") or 0), (groups.get("half") or "").lower()[:1]
    if hour > _HOURS or (half and not 1 <= hour <= _MONTHS):
        return None
    half_day = "am" if half == "a" else "pm" if half == "p" else ""
    return language.clock(Clock(hour, minute, half_day, says_hour=bool(groups.get("hours"))))


def _money(match: "regex.Match[str]", language: Language) -> str | None:
    currency = language.currencies[match["currency"]]
    scale = language.scales.get((match["scale"] or "").lower())
    whole, decimals = _whole_and_decimals(match["number"], language)
    amount = _amount(match["number"], language, currency.unit)
    if amount is None:
        return None
    sign = _signed(match, language)
    if scale:
        return f"{sign}{amount} {scale} {currency.unit.of}{currency.unit.many}"
    if len(decimals) == _CENTS and currency.cent is not None:
        return sign + _with_cents(whole, int(decimals), currency, language)
    if decimals.strip("0"):
        return f"{sign}{amount} {currency.unit.many}"
    return sign + _units(whole, currency.unit, language)


def _units(count: int, unit: Noun, language: Language) -> str:
    of = unit.of if count and not count % 1_000_000 else ""
    return f"{language.cardinal(count, unit.gender)} {of}{unit.one if count == 1 else unit.many}"


def _with_cents(whole: int, cents: int, currency: Currency, language: Language) -> str:
    if not cents:
        return _units(whole, currency.unit, language)
    return language.cents(_units(whole, currency.unit, language) if whole else "", cents, currency)


def _percent(match: "regex.Match[str]", language: Language) -> str | None:
    return _counted(match, language, language.percent)


def _unit(match: "regex.Match[str]", language: Language) -> str | None:
    return _counted(match, language, language.units[match["unit"]])


def _version(match: "regex.Match[str]", language: Language) -> str:
    parts = match.group().split(".")
    return f" {language.dot} ".join(
        spelled(part, language) if part[0] == "0" or len(part) > 3 else language.cardinal(int(part)) for part in parts
    )


def _code(match: "regex.Match[str]", language: Language) -> str | None:
    said: list[str] = []
    for segment in match.group().split("-"):
        runs: list[str] = regex.findall(r"[A-Z]+|[0-9]+", segment)
        if any(run.isalpha() and len(run) > _LONGEST_WORD for run in runs):
            return None
        said.append(" ".join(_run(run, language) for run in runs))
    return ", ".join(said)


def _run(run: str, language: Language) -> str:
    if run.isalpha():
        return " ".join(run)
    is_short = len(run) <= 2 and not run.startswith("0")
    return language.cardinal(int(run)) if is_short else spelled(run, language)


def _spelled_digits(match: "regex.Match[str]", language: Language) -> str | None:
    digits = match.group().replace("-", "")
    if len(digits) >= _LONG_DIGITS and digits.endswith("000") and digits[0] != "0":
        return None
    return ", ".join(spelled(group, language) for group in _in_groups(digits))


def _fraction(match: "regex.Match[str]", language: Language) -> str:
    return language.fractions[match.group()]


def _ordinal(match: "regex.Match[str]", language: Language) -> str | None:
    before = _before(match)
    if language.articles and before not in language.articles:
        return None
    return language.ordinal(int(match["number"]), match["mark"].strip(".") or before)


def _pairs(match: "regex.Match[str]", language: Language) -> str:
    """A house number: two twenty-one, twelve thirty-four."""
    number = int(match.group())
    if number >= 1000:
        return language.year(number)
    head, rest = divmod(number, 100)
    tail = " hundred" if not rest else f" oh {language.cardinal(rest)}" if rest < 10 else f" {language.cardinal(rest)}"
    return language.cardinal(head) + tail


def _year(match: "regex.Match[str]", language: Language) -> str | None:
    number = int(match.group())
    if not _FIRST_YEAR <= number <= _LAST_YEAR or _before(match) not in language.year_words:
        return None
    return language.year(number)


def _hash(_match: "regex.Match[str]", language: Language) -> str:
    return f"{language.number} "


def _number(match: "regex.Match[str]", language: Language) -> str | None:
    whole, decimals = _whole_and_decimals(match["number"], language)
    has_noun = regex.match(r"\s\p{L}", match.string[match.end() :]) is not None
    if not decimals and has_noun and language.agrees(whole):
        return None
    amount = _amount(match["number"], language)
    return None if amount is None else _signed(match, language) + amount


_Say = Callable[["regex.Match[str]", Language], str | None]


@cache
def _rules(language: Language) -> tuple[tuple["regex.Pattern[str]", _Say], ...]:
    """The rules of a language, in the order in which they are tried."""
    number = _number_pattern(language)
    signed = rf"(?P<sign>(?<![\p{{L}}\p{{N}}])[-−+])?{number}"
    currencies = _any(language.currencies)
    before = _any(name for name in language.currencies if not name.islower() and name[1:] == name[1:].upper())
    scale = rf"(?:\s?(?P<scale>(?i:{_any(language.scales)}))(?!\p{{L}}))?"
    months = _any(name.capitalize() if language.has_capital_months else name for name in language.months)
    month = rf"(?P<month>{months if language.has_capital_months else f'(?i:{months})'})\.?(?!\p{{L}})"
    end = r"(?:,?\s(?:del?\s)?(?P<year>[12][0-9]{3})(?![\p{L}\p{N}]))?"
    clock = r"(?P<hour>[01]?[0-9]|2[0-4])"
    half = r"(?P<half>(?i:[ap]m\b|[ap]\.\s?m\b(?:\.(?!\s*$))?))"
    rules: list[tuple[str, _Say]] = [(pattern, _constant(said)) for pattern, said in language.abbreviations]
    rules += [
        (rf"{_LEFT}[0-9]{{4}}(?P<gap>[ -])[0-9]{{4}}(?P=gap)[0-9]{{4}}(?P=gap)[0-9]{{1,4}}{_RIGHT}", _card),
        (r"(?<![\p{L}\p{N}])\+[0-9][0-9 ()./-]{5,20}[0-9](?![\p{L}\p{N}])", _phone),
        (rf"{_LEFT}(?:{language.phones or '(?!)'}){_RIGHT}", _phone),
        (rf"(?<![\p{{L}}\p{{N}}])(?:1[-. ])?(?:\([0-9]{{3}}\)\s?|[0-9]{{3}}[-. ])[0-9]{{3}}[-.][0-9]{{4}}{_RIGHT}", _phone),
        (rf"{_LEFT}\(?0[0-9]{{1,4}}\)?[ /-]\s?[0-9](?:[ -]?[0-9]){{4,9}}{_RIGHT}", _phone),
        (rf"{_LEFT}(?<![-])[0-9]{{3}}-[0-9]{{4}}(?!-){_RIGHT}", _phone),
        (rf"{_LEFT}([12][0-9]{{3}})-([01][0-9])-([0-3][0-9]){_RIGHT}", _iso_date),
        (rf"{_LEFT}(?P<first>[0-9]{{1,2}})(?P<mark>[/.-])(?P<second>[0-9]{{1,2}})(?P=mark)(?P<year>[12][0-9]{{3}}|[0-9]{{2}}){_RIGHT}", _digit_date),
        (rf"{_LEFT}(?P<day>[0-3]?[0-9]){language.day}\s{month}{end}", _named_date),
    ]  # fmt: skip
    if language.names_month_first:
        ordinal = rf"(?:{language.ordinal_marks})?"
        rules.append((rf"(?<!\p{{L}}){month}\s(?P<day>[0-3]?[0-9]){ordinal}{_RIGHT}{end}", _named_date))
    if language.day == r"\.":
        rules.append(
            (
                rf"{_LEFT}(?P<first>[0-3]?[0-9])(?P<mark>\.)(?P<second>[01]?[0-9])\.(?P<year>(?!))?(?!\p{{N}})",
                _digit_date,
            )
        )
    if language.hour_marks:
        hours = rf"(?P<hours>{language.hour_marks})(?!\p{{L}})"
        rules += [
            (rf"{_LEFT}{clock}[:.](?P<minute>[0-5][0-9])\s?{hours}", _time),
            (
                rf"{_LEFT}{clock}\s?(?P<hours>{language.hour_marks})\s?(?P<minute>[0-5][0-9])(?:\s?min\b)?{_RIGHT}",
                _time,
            ),
            (rf"{_LEFT}{clock}\s?{hours}", _time),
        ]
    rules += [
        (rf"{_LEFT}{clock}:(?P<minute>[0-5][0-9])(?:\s?{half})?{_RIGHT}", _time),
        (rf"{_LEFT}(?P<hour>1[0-2]|[1-9])\s?{half}", _time),
        (rf"(?<![\p{{L}}\p{{N}}])(?P<sign>[-−+])?(?P<currency>{before})\s?{number}{scale}{_RIGHT}", _money),
        (rf"{_LEFT}{signed}(?:,[-–—])?{scale}\s?(?P<currency>{currencies})(?![\p{{L}}\p{{N}}])", _money),
        (rf"{_LEFT}{signed}\s?%", _percent),
        (rf"{_LEFT}{signed}\s?(?P<unit>{_any(language.units)})(?![\p{{L}}\p{{N}}])", _unit),
        (rf"{_LEFT}(?:{language.postcodes or '(?!)'}){_RIGHT}", _spelled_digits),
        (rf"{_LEFT}(?:{language.house_numbers or '(?!)'})", _pairs),
        (rf"(?<=\b(?i:{_any(language.code_words)})\b(?:\s\p{{Ll}}+)?:?\s)[0-9]{{3,}}{_RIGHT}", _spelled_digits),
        (rf"{_LEFT}(?:{_any(language.fractions)}){_RIGHT}", _fraction),
        (rf"{_LEFT}[0-9]+(?:\.[0-9]+){{2,}}{_RIGHT}", _version),
        (rf"{_LEFT}(?<!-)(?=[A-Z0-9-]*[0-9])(?=[A-Z0-9-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)*{_RIGHT}(?!-[\p{{L}}\p{{N}}])", _code),
        (rf"{_LEFT}(?<![0-9][{_groups(language)}])(?:0[0-9]+|[0-9]{{{_LONG_DIGITS},}}){_RIGHT}(?![.,][0-9])", _spelled_digits),
        (rf"{_LEFT}(?P<number>[0-9]{{1,6}})(?P<mark>{language.ordinal_marks})(?![\p{{L}}\p{{N}}])", _ordinal),
        (rf"{_LEFT}[12][0-9]{{3}}{_RIGHT}", _year),
        (r"#(?=[0-9])", _hash),
        (rf"{_LEFT}{signed}{_RIGHT}", _number),
    ]  # fmt: skip
    if language.decimal != ".":
        rules.append((rf"{_LEFT}[0-9]+\.[0-9]+{_RIGHT}", _version))
    return tuple((regex.compile(pattern), say) for pattern, say in rules)


def _number_pattern(language: Language) -> str:
    groups = _groups(language)
    decimal = regex.escape(language.decimal)
    return rf"(?P<number>[0-9]{{1,3}}(?:[{groups}][0-9]{{3}})+(?![0-9])(?:{decimal}[0-9]+)?|[0-9]+(?:{decimal}[0-9]+)?)"


def _groups(language: Language) -> str:
    """What parts thousands, as the inside of a set."""
    return regex.escape(language.groups) + ("\u00a0\u202f" if " " in language.groups else "")


def _any(words: Iterable[str]) -> str:
    """A pattern of any of these words, the longest first."""
    listed = sorted(words, key=len, reverse=True)
    return "|".join(regex.escape(word, special_only=True, literal_spaces=True) for word in listed) or "(?!)"


def _constant(said: str) -> _Say:
    return lambda _match, _language: said
