"""What one language says for numbers, dates, times and money: the shape of the tables in this folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Gender = Literal["", "m", "f", "n"]
"""Of the noun that a number counts; empty: the number stands alone."""

LARGEST = 10**15
"""Numbers from here on are said digit by digit."""


class Cardinal(Protocol):
    """A whole number below `LARGEST` in words."""

    def __call__(self, number: int, gender: Gender = "", /) -> str:
        """The words, as they stand before a noun of that gender."""
        ...


@dataclass(frozen=True, slots=True)
class Noun:
    """A currency, a part of one, or a unit: for one, for several, and its gender. `of` stands before it behind millions."""

    one: str
    many: str
    gender: Gender = "m"
    of: str = ""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency and the hundredth of it; None where there is none in use."""

    unit: Noun
    cent: Noun | None


@dataclass(frozen=True, slots=True)
class Date:
    """A date as it was written; `before` is the word in front of it, in lower case."""

    day: int
    month: int
    year: int | None = None
    before: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day as it was written; `half` is `am`, `pm` or empty. `says_hour` is where the word for hours was written."""

    hour: int
    minute: int = 0
    half: Literal["", "am", "pm"] = ""
    says_hour: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """One language's words and habits.

    Attributes:
        cardinal: whole numbers in words.
        agrees: whether a number's form depends on the noun behind it, which is not known; it is left as it was written.
        ordinal: ordinal numbers in words, by the word before.
        year: years in words.
        digits: the names of 0 to 9 where digits are told one by one.
        date: a date in words.
        clock: a time of day in words.
        cents: joins the words for the whole and the hundredths of a sum; takes the currency too.
        currencies: by sign and by code.
        units: by sign.
        months: name or abbreviation in lower case, without full stop, to 1..12.
        scales: words behind a sum that multiply it ("million"), in lower case, to what is said for it.
        decimal, groups: the mark before decimals, and those between thousands.
        point, dot: what is said for the decimal mark, and between the parts of a version.
        percent, minus, plus, to, number: what is said for these signs.
        ordinal_marks: a pattern of what makes digits an ordinal.
        articles: words that have to stand before an ordinal, where its mark alone says too little; empty: none.
        hour_marks: a pattern of what is written behind hours, or between hours and minutes; empty: nothing is.
        day: a pattern of what is written behind the day and before a month's name.
        year_words: words behind which a number of four digits is a year.
        code_words: words behind which a number is told digit by digit.
        phones: a pattern of telephone numbers as they are written in the country only.
        postcodes: a pattern of postcodes that are told digit by digit.
        house_numbers: a pattern of house numbers that are told in pairs, as years are.
        abbreviations: patterns of street names and the like beside numbers, and what is said for them.
        fractions: what is said for some of them.
        is_month_first: whether 5/3 is the third of May.
        names_month_first: whether "May 3" is a date.
        has_capital_months: whether a month's name begins with a capital.
        says_pairs: whether telephone numbers in pairs are told as numbers.
        says_decimals: whether two decimals are told as a number.
    """

    cardinal: Cardinal
    agrees: Callable[[int], bool]
    ordinal: Callable[[int, str], str]
    year: Callable[[int], str]
    digits: tuple[str, ...]
    date: Callable[[Date], str]
    clock: Callable[[Clock], str]
    cents: Callable[[str, int, Currency], str]
    currencies: Mapping[str, Currency]
    units: Mapping[str, Noun]
    months: Mapping[str, int]
    scales: Mapping[str, str]
    decimal: str
    groups: str
    point: str
    dot: str
    percent: Noun
    minus: str
    plus: str
    to: str
    number: str
    ordinal_marks: str
    articles: frozenset[str] = frozenset()
    hour_marks: str = ""
    day: str = ""
    year_words: frozenset[str] = frozenset()
    code_words: frozenset[str] = frozenset()
    phones: str = ""
    postcodes: str = ""
    house_numbers: str = ""
    abbreviations: tuple[tuple[str, str], ...] = ()
    fractions: Mapping[str, str] = field(default_factory=dict[str, str])
    is_month_first: bool = False
    names_month_first: bool = False
    has_capital_months: bool = False
    says_pairs: bool = False
    says_decimals: bool = False


def spelled(digits: str, language: Language) -> str:
    """Digits one by one."""
    return " ".join(language.digits[int(digit)] for digit in digits)
