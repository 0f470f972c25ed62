"""How values are said in English, as patterns: what is understood (`DATES`, `TIMES`) and what is listened for (`RULES`).

In `DATES` and `TIMES` a `{name}` is a part whose meaning `days.py` and `times.py` need; in `RULES` a `<name>` is another rule. The
rules say the same more tightly, since a recogniser pays for every state; a test holds them to be understood.
"""

from types import MappingProxyType
from typing import Final

UNITS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS: Final = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINAL_UNITS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
ORDINAL_TEENS: Final = (
    "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
    "nineteenth",
)  # fmt: skip
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip

DATES: Final = (
    "today",
    "tonight",
    "tomorrow",
    "[the] day after tomorrow",
    "[this] {weekday}",
    "next {weekday}",
    "[a] week (on|from) {weekday}",
    "in {count} (day|days)",
    "in {count} (week|weeks)",
    "in a week",
    "[{weekday}] [the] {ordinal} [of] {month}",
    "[{weekday}] {month} [the] {ordinal}",
    "[{weekday}] [the] {ordinal}",
    "in a fortnight",
    "{weekday} week",
    "christmas eve",
    "christmas [day]",
    "boxing day",
    "new year is eve",
    "new year is day",
    "valentine is day",
    "halloween",
)
"""The ways of saying a day; `days.py` has their meanings in this order."""

TIMES: Final = (
    "{hour} [{minute}] [{half}]",
    "{hour} o'clock [{half}]",
    "half past {hour} [{half}]",
    "half {hour} [{half}]",
    "[a] quarter past {hour} [{half}]",
    "[a] quarter to {hour} [{half}]",
    "{fives} [minutes] past {hour} [{half}]",
    "{fives} [minutes] to {hour} [{half}]",
    "(noon | midday)",
    "midnight",
)
"""The ways of saying a time of day; `times.py` has their meanings in this order."""

HALVES: Final = MappingProxyType(
    {
        "a m": "am",
        "in the morning": "am",
        "p m": "pm",
        "in the afternoon": "pm",
        "in the evening": "pm",
        "at night": "pm",
    }
)
"""What tells the two halves of the day apart."""

YES: Final = (
    (
        "(yes | yeah | yep | yup | aye | sure | correct | exactly | right | okay | of course | sounds good | that sounds good"
        " | absolutely | definitely | certainly | perfect | great | lovely | brilliant | wonderful | fine | all right | alright)"
        " [please | thanks]"
    ),
    "please do",
    "go ahead",
    "uh huh",
    "mm hmm",
    "i do",
    "it is",
    "why not",
    "[yes] (that's | it's | all | sounds) (right | correct | fine | good | perfect | great | okay)",
    "yes not (right | correct)",  # how recognisers write "yes, that's right" by telephone; people who mean no begin with it
)
NO: Final = (
    "no [thanks | thank you]",
    "nope",
    "nah",
    "no way",
    "not (really | quite | at all | yet | now | today)",
    "never",
    "do not",
    "negative",
    "rather not",
    "i do not",
    "it is not",
    "[no] (that's | it's) (wrong | not right | not correct | incorrect)",
    "wrong",
    "incorrect",
    "not (right | correct)",
)


def _either(options: tuple[str, ...]) -> str:
    return " | ".join(options)


RULES: Final = MappingProxyType(
    {
        "digit": "zero | oh | " + _either(UNITS),
        "digits": "(<digit> | (double | triple) <digit>)+",
        "phone": "[plus] <digits>",
        "unit": _either(UNITS),
        "below_twenty": _either(("zero", *UNITS, *TEENS)),
        "teen": _either(TEENS),
        "ten": _either(TENS),
        "below_hundred": "zero | <unit> | <teen> | <ten> [<unit>]",
        "below_thousand": "<below_hundred> | (a | <unit>) hundred [[and] <below_hundred>]",
        "below_million": "<below_thousand> | <below_thousand> thousand [[and] <below_thousand>]",
        "count": _either(UNITS),
        "ordinal": _either((*ORDINAL_UNITS, *ORDINAL_TEENS, "twentieth", "thirtieth", "thirty first"))
        + f" | twenty ({_either(ORDINAL_UNITS)})",
        "weekday": _either(WEEKDAYS),
        "month": _either(MONTHS),
        "soon": "today | tonight | tomorrow",
        "near_day": "<soon> | <weekday>",
        "day_of_month": "[the] <ordinal> [[of] <month>] | <month> [the] <ordinal>",
        "date": "<soon> | [the] day after tomorrow | [this | next] <weekday> | in <count> days"
        " | [<weekday>] <day_of_month>",
        "hour": _either((*UNITS, *TEENS[:3])),
        "minute": f"oh <unit> | <teen> | ({_either(TENS[:4])}) [<unit>]",
        "fives": "five | ten | twenty | twenty five",
        "half": _either(tuple(HALVES)),
        "past": "half past | quarter (past | to) | a quarter (past | to) | <fives> [minutes] (past | to)",
        "time": "(<hour> [<minute> | o'clock] | <past> <hour>) [<half>] | noon | midday | midnight",
        "yes": "(yes | yeah | sure | of course | exactly | correct) [please] | [yes] (that's | it's | all) (right | correct)",
        "no": "no | no (thanks | thank you) | [no] (that's | it's) (wrong | not right) | wrong",
    }
)
"""Every rule by name, for the recogniser."""
