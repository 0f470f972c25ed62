"""Abbreviations that are written with a full stop, per language, by what may follow them.

Without a language all of them count; therefore a word that is an ordinary one in another language stands only where a number
follows it (`no. 5`), or in no list.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

_BEFORE_NAMES: Final[Mapping[str, str]] = {
    "en": "mr mrs ms mx dr prof st gen col maj capt cpt cmdr lt sgt cpl pvt adm rev hon pres gov sen rep supt messrs mt ft "
    "e.g i.e vs viz cf approx esp incl excl",
    "de": "hr fr frl dr prof dipl ing st bzw ca vgl z.b d.h u.a o.ä v.a i.d.r z.t s.o s.u sog evtl ggf inkl exkl zzgl "
    "zz insb bspw mind max min u u.u allg ehem geb gest",
    "fr": "m mm mme mlle mgr dr pr me st ste c.-à-d p.ex cf env",
    "es": "sr sra srta sres dr dra prof d dña ud uds vd p.ej aprox",
    "it": "sig sig.ra sig.na sigg dott dott.ssa prof prof.ssa ing avv arch geom on p.es ca cfr spett gent egr",
    "pt": "sr sra srta dr dra prof profa eng exmo exma p.ex aprox",
    "nl": "dhr mevr mw dr prof ir ing drs mr ds bijv bv d.w.z ca m.a.w o.a t.a.v i.p.v incl excl",
    "pl": "np tj tzn m.in im św dr prof inż mgr hab pł gen ul al pl os tzw ok",
    "ru": "г-н г-жа т.е т.к напр им ул пр просп пл им проф акад см ср т.н",
    "sv": "t.ex bl.a dvs d.v.s s.k ca fr.o.m t.o.m",
    "da": "f.eks bl.a dvs ca hr fr dr prof",
    "no": "f.eks bl.a dvs ca hr fr dr prof",
    "fi": "esim mm ns ts",
    "cs": "např tzv tj mj ing mgr dr prof sv",
    "tr": "dr prof doç av sn yrd vb örn",
}
"""What always goes on: a name, a number, an explanation."""

_BEFORE_NUMBERS: Final[Mapping[str, str]] = {
    "en": "no nos nr fig figs p pp vol ch sec art par para ext apt rm eq jan feb mar apr jun jul aug sep sept oct nov dec",
    "de": "nr art abs abb bd kap s ziff str tel jan feb febr apr aug sept okt nov dez",
    "fr": "no n° art fig p pp vol chap tél janv févr avr juil sept oct nov déc",
    "es": "núm nro n.º art fig pág págs tel ext ene feb abr ago sept oct nov dic",
    "it": "n nr art fig pag pagg tel int gen feb mar apr mag giu lug ago set ott nov dic",
    "pt": "n.º nº art fig pág págs tel jan fev mar abr mai jun jul ago set out nov dez",
    "nl": "nr art afb blz tel jan feb mrt apr aug sept okt nov dec",
    "pl": "nr art str tel rys godz",
    "ru": "стр рис тел гл ст д кв корп оф",
    "sv": "nr sid s tel kap kl",
    "da": "nr s tlf kap kl",
    "no": "nr s tlf kap kl",
}
"""What is an abbreviation only where a number follows, and mostly a word otherwise."""

_MAYBE_LAST: Final[Mapping[str, str]] = {
    "en": "etc inc ltd co corp jr sr esq dept est ave blvd rd sq bldg ste hwy univ assn bros a.m p.m "
    "ph.d b.sc m.sc hr hrs min mins sec secs oz lb lbs",
    "de": "usw etc usf str std uhr tsd mio mrd jh jhd gmbh v.chr n.chr o.g m.e a.d p.s",
    "fr": "etc av bd boul j.-c s.a",
    "es": "etc ee.uu cía s.a avda",
    "it": "ecc etc s.p.a s.r.l a.c d.c",
    "pt": "etc ltda cia s.a av",
    "nl": "enz etc n.v b.v jr sr",
    "pl": "itd itp r w godz tys mln mld zł",
    "ru": "т.д т.п др г гг в вв н.э руб коп тыс млн млрд р",
    "sv": "m.m o.s.v osv etc kr",
    "da": "m.m osv etc kr",
    "no": "m.m osv etc kr",
}
"""What may be a sentence's last word: a capital behind it tells."""

_STARTERS: Final[Mapping[str, str]] = {
    "en": "the this that these those it he she we you they there then i what when where who why how if in on at for but and so "
    "please would do does did is are can could shall should will let my your our her their a an as after before with "
    "no yes ok okay also next now here may thanks thank sorry",
    "de": "der die das den dem ein eine es er sie wir ich ihr dann danach aber und oder wenn wie was wer wo warum bitte dies "
    "diese dieser hier da jetzt nun ja nein im in am an auf für mit möchten haben ist sind kann können soll danke",
    "fr": "le la les un une il elle nous vous je ils elles on ce cette ces et mais si quand où que qui pour dans voulez est "
    "oui non merci puis ensuite",
    "es": "el la los las un una es yo nosotros usted ustedes ellos y pero si cuando donde qué para en quiere sí no gracias luego",
    "it": "il lo la i gli le un una è io noi voi lei loro e ma se quando dove che per in vuole sì no grazie poi",
    "pt": "o a os as um uma é eu nós você vocês eles e mas se quando onde que para em quer sim não obrigado depois",
    "nl": "de het een dit dat deze die ik wij we u jij hij zij er en maar als wanneer waar wat wie voor in wilt ja nee dan daarna",
}
"""Words with a capital that begin a sentence behind an abbreviation, an initial or a number, and are no name."""

ORDINAL_LANGUAGES: Final = frozenset(
    [
        "bs",
        "cs",
        "da",
        "de",
        "et",
        "fi",
        "fo",
        "hr",
        "hu",
        "is",
        "lb",
        "lv",
        "nb",
        "nn",
        "no",
        "pl",
        "sk",
        "sl",
        "sr",
        "tr",
    ]
)
"""Where a full stop behind a number makes it an ordinal: "am 3. Oktober"."""


def before_names(language: str) -> frozenset[str]:
    """Abbreviations that end no sentence; of all languages where `language` is empty."""
    return _of("before_names", language)


def before_numbers(language: str) -> frozenset[str]:
    """Abbreviations that end no sentence where a number follows."""
    return _of("before_numbers", language)


def maybe_last(language: str) -> frozenset[str]:
    """Abbreviations that end a sentence where a new one begins behind them."""
    return _of("maybe_last", language)


def starters(language: str) -> frozenset[str]:
    """Words that begin a sentence and are no name, in lower case."""
    return _of("starters", language)


@cache
def _of(kind: str, language: str) -> frozenset[str]:
    table = {
        "before_names": _BEFORE_NAMES,
        "before_numbers": _BEFORE_NUMBERS,
        "maybe_last": _MAYBE_LAST,
        "starters": _STARTERS,
    }[kind]
    rows = (table[language],) if language in table else () if language else table.values()
    return frozenset(word for row in rows for word in row.split())
