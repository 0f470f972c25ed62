"""Spanish: numbers that agree with their noun, Spain's marks and those of Mexico and its neighbours."""

from dataclasses import replace
from typing import Final

from vox.text.normalisation.language import Clock, Currency, Date, Gender, Language, Noun

_ONES: Final = [
    "cero",
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciséis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
    "veintiuno",
    "veintidós",
    "veintitrés",
    "veinticuatro",
    "veinticinco",
    "veintiséis",
    "veintisiete",
    "veintiocho",
    "veintinueve",
]
_TENS: Final = [
    "cero",
    "diez",
    "veinte",
    "treinta",
    "cuarenta",
    "cincuenta",
    "sesenta",
    "setenta",
    "ochenta",
    "noventa",
]
_HUNDREDS: Final = [
    "cero",
    "ciento",
    "doscientos",
    "trescientos",
    "cuatrocientos",
    "quinientos",
    "seiscientos",
    "setecientos",
    "ochocientos",
    "novecientos",
]
_SCALES: Final = ((10**12, "billón", "billones"), (10**6, "millón", "millones"))
_ORDINALS: Final = [
    "cero",
    "primero",
    "segundo",
    "tercero",
    "cuarto",
    "quinto",
    "sexto",
    "séptimo",
    "octavo",
    "noveno",
    "décimo",
]
_MONTHS: Final = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]


def cardinal(number: int, gender: Gender = "") -> str:
    """A number in words: "dos mil quinientos seis"; one and the hundreds agree with the noun."""
    for size, one, many in _SCALES:
        if number >= size:
            count, rest = divmod(number, size)
            words = f"un {one}" if count == 1 else f"{cardinal(count, 'm')} {many}"
            return words + (f" {cardinal(rest, gender)}" if rest else "")
    if number >= 1000:
        count, rest = divmod(number, 1000)
        head = "mil" if count == 1 else f"{_below_thousand(count, 'f' if gender == 'f' else 'm')} mil"
        return head + (f" {_below_thousand(rest, gender)}" if rest else "")
    return _below_thousand(number, gender)


def _below_thousand(number: int, gender: Gender) -> str:
    if number == 100:
        return "cien"
    if number > 100:
        head = _HUNDREDS[number // 100]
        head = head.replace("ientos", "ientas") if gender == "f" else head
        return head + (f" {_below_thousand(number % 100, gender)}" if number % 100 else "")
    if number < len(_ONES):
        words = _ONES[number]
    else:
        tens, ones = divmod(number, 10)
        words = _TENS[tens] + (f" y {_ONES[ones]}" if ones else "")
    if gender and words.endswith("uno"):
        if gender == "f":
            return f"{words[:-1]}a"
        return "veintiún" if words == "veintiuno" else words[:-1]
    return words


def _ordinal(number: int, mark: str = "") -> str:
    if number >= len(_ORDINALS):
        return cardinal(number)
    words = _ORDINALS[number]
    return f"{words[:-1]}a" if mark == "ª" else words


def _date(date: Date) -> str:
    day = "primero" if date.day == 1 else cardinal(date.day)
    return f"{day} de {_MONTHS[date.month - 1]}" + (f" de {cardinal(date.year)}" if date.year is not None else "")


def _clock(clock: Clock) -> str:
    words = cardinal(clock.hour, "f") + (
        f" {'cero ' if clock.minute < 10 else ''}{cardinal(clock.minute)}" if clock.minute else ""
    )
    words += {"am": " de la mañana", "pm": " de la tarde", "": ""}[clock.half]
    return words + (" horas" if clock.says_hour and clock.hour != 1 else " hora" if clock.says_hour else "")


def _cents(whole: str, cents: int, currency: Currency) -> str:
    if currency.cent is None:
        return whole
    part = f"{cardinal(cents, currency.cent.gender)} {currency.cent.one if cents == 1 else currency.cent.many}"
    return f"{whole} con {part}" if whole else part


_EURO: Final = Currency(Noun("euro", "euros", of="de "), Noun("céntimo", "céntimos"))
_DOLLAR: Final = Currency(Noun("dólar", "dólares", of="de "), Noun("centavo", "centavos"))
_PESO: Final = Currency(Noun("peso", "pesos", of="de "), Noun("centavo", "centavos"))
_POUND: Final = Currency(Noun("libra", "libras", "f", of="de "), Noun("penique", "peniques"))
_FRANC: Final = Currency(Noun("franco suizo", "francos suizos", of="de "), Noun("céntimo", "céntimos"))
_YEN: Final = Currency(Noun("yen", "yenes", of="de "), None)

SPANISH: Final = Language(
    cardinal=cardinal,
    agrees=lambda number: (number % 10 == 1 and number % 100 != 11) or number % 1000 >= 200 or number // 1000 % 1000 >= 200,
    ordinal=_ordinal,
    year=cardinal,
    digits=tuple(_ONES[:10]),
    date=_date,
    clock=_clock,
    cents=_cents,
    currencies={
        "€": _EURO, "EUR": _EURO, "$": _DOLLAR, "USD": _DOLLAR, "US$": _DOLLAR, "MXN": _PESO, "£": _POUND, "GBP": _POUND,
        "euro": _EURO, "euros": _EURO, "dólar": _DOLLAR, "dólares": _DOLLAR, "peso": _PESO, "pesos": _PESO,
        "CHF": _FRANC, "¥": _YEN, "JPY": _YEN,
    },
    units={
        "km": Noun("kilómetro", "kilómetros"),
        "m": Noun("metro", "metros"),
        "cm": Noun("centímetro", "centímetros"),
        "mm": Noun("milímetro", "milímetros"),
        "km/h": Noun("kilómetro por hora", "kilómetros por hora"),
        "kg": Noun("kilogramo", "kilogramos"),
        "g": Noun("gramo", "gramos"),
        "mg": Noun("miligramo", "miligramos"),
        "l": Noun("litro", "litros"),
        "ml": Noun("mililitro", "mililitros"),
        "°": Noun("grado", "grados"),
        "°C": Noun("grado Celsius", "grados Celsius"),
        "°F": Noun("grado Fahrenheit", "grados Fahrenheit"),
        "MB": Noun("megabyte", "megabytes"),
        "GB": Noun("gigabyte", "gigabytes"),
        "kW": Noun("kilovatio", "kilovatios"),
        "kWh": Noun("kilovatio hora", "kilovatios hora"),
        "min": Noun("minuto", "minutos"),
    },
    months={
        **{name: number for number, name in enumerate(_MONTHS, 1)},
        "ene": 1, "feb": 2, "mar": 3, "abr": 4, "may": 5, "jun": 6, "jul": 7, "ago": 8, "sep": 9, "sept": 9, "setiembre": 9,
        "oct": 10, "nov": 11, "dic": 12,
    },
    scales={
        "mil": "mil", "millón": "millón", "millones": "millones", "billón": "billón", "billones": "billones",
    },
    decimal=",",
    groups=" .",
    point="coma",
    dot="punto",
    percent=Noun("por ciento", "por ciento", ""),
    minus="menos",
    plus="más",
    to="a",
    number="número",
    ordinal_marks=r"\.?[ºª]",
    hour_marks=r"h|horas?",
    day=r"\.?º?(?:\sde)?",
    phones=r"[6-9][0-9]{2}(?:[ .-][0-9]{3}){2}|[6-9][0-9]{2}(?:[ .-][0-9]{2}){3}",
    code_words=frozenset(("código", "pin", "clave", "contraseña", "extensión")),
    says_decimals=True,
    abbreviations=(
        (r"\b[Cc]/\s?(?=\p{L})", "calle "),
        (r"\b[Aa]vda?\.(?=\s\p{L})", "avenida"),
        (r"\b[Pp]za?\.(?=\s\p{L})", "plaza"),
        (r"\b[Nn][.]?[ºo°]\.?\s?(?=\p{N})", "número "),
        (r"\b[Nn]úm\.(?=\s\p{N})", "número"),
        (r"\b[Tt]el\.(?=:?\s*[+(]?\p{N})", "teléfono"),
    ),
    fractions={"1/2": "un medio", "1/3": "un tercio", "2/3": "dos tercios", "1/4": "un cuarto", "3/4": "tres cuartos"},
)  # fmt: skip
"""Spanish as it is written in Spain and most of South America."""

SPANISH_POINT: Final = replace(
    SPANISH, decimal=".", groups=", ", point="punto", currencies={**SPANISH.currencies, "$": _PESO}
)
"""Spanish of Mexico."""
SPANISH_DOLLAR: Final = replace(SPANISH_POINT, currencies=SPANISH.currencies)
"""Spanish of the United States, Central America and the Caribbean, with a point before decimals."""
