"""How numbers, dates, times, money, addresses and codes are said, per language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.text.normalisation.rewriting import language_of, normalised, rewrites

LANGUAGES = ("en", "en-GB", "de", "de-CH", "fr", "fr-BE", "es", "es-MX")


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "It costs $12.50.", "It costs twelve dollars and fifty cents."),
        ("en", "$1, $0.99, $0.01", "one dollar, ninety-nine cents, one cent"),
        ("en", "$3.2 million or €5M", "three point two million dollars or five million euros"),
        ("en", "5 to 7 people, 5-7 people", "five to seven people, five to seven people"),
        ("en", "call +49 30 1234567", "call plus four nine, three zero, one two three, four five six seven"),
        ("en", "(555) 123-4567", "five five five, one two three, four five six seven"),
        ("en", "On 2026-11-30.", "On November thirtieth, twenty twenty-six."),
        ("en", "11/30/2026 and 3/5/26", "November thirtieth, twenty twenty-six and March fifth, twenty twenty-six"),
        ("en", "Nov. 30 or the 3rd of May", "November thirtieth or the third of May"),
        ("en-GB", "3/5/2026", "the third of May, twenty twenty-six"),
        ("en", "at 14:30, 9:05, 9:00 AM", "at fourteen thirty, nine oh five, nine AM"),
        ("en", "until 5pm. From", "until five PM. From"),
        ("en", "It ends at 9 a.m.", "It ends at nine AM."),
        ("en", "9:00-17:00", "nine o'clock to seventeen hundred hours"),
        ("en", "1600 Pennsylvania Ave, Apt. 4", "sixteen hundred Pennsylvania Avenue, apartment four"),
        ("en", "12 Baker St., New York, NY 10001.", "twelve Baker Street, New York, NY one zero zero zero one."),
        ("en", "Your code is 4821.", "Your code is four eight two one."),
        ("en", "X7K-99Q, BA117, 5G", "X seven K, ninety-nine Q, B A one one seven, five G"),
        ("en", "0042 and 12345678", "zero zero four two and one two three, four five six, seven eight"),
        ("en", "4111 1111 1111 1111", ", ".join(["four one one one", *["one one one one"] * 3])),
        ("en", "-5, 3.14 and 1,234,567", "minus five, three point one four and one million two hundred thirty-four thousand five hundred sixty-seven"),
        ("en", "12.5% of 5 km at 20°C", "twelve point five percent of five kilometers at twenty degrees Celsius"),
        ("en", "since 1999, in 2005, the 21st", "since nineteen ninety-nine, in two thousand five, the twenty-first"),
        ("en", "Version 1.2.3, No. 5, #7, 1/2", "Version one point two point three, number five, number seven, one half"),
        ("en", "COVID-19 and mp3", "COVID-nineteen and mp3"),
        ("de", "12,50 € oder 1 €", "zwölf Euro fünfzig oder ein Euro"),
        ("de", "3,2 Mio. €, 0,99 €, 21 Euro", "drei Komma zwei Millionen Euro, neunundneunzig Cent, einundzwanzig Euro"),
        ("de", "Am 30.11.2026 um 14:30 Uhr.", "Am dreißigsten November zweitausendsechsundzwanzig um vierzehn Uhr dreißig."),
        ("de", "der 3. Mai, am 3. Mai, im 2. Stock", "der dritte Mai, am dritten Mai, im zweiten Stock"),
        ("de", "Hauptstr. 12, 10115 Berlin", "Hauptstraße zwölf, eins null eins eins fünf Berlin"),
        ("de", "seit 1999, 1.234,5, 1 kg", "seit neunzehnhundertneunundneunzig, eintausendzweihundertvierunddreißig Komma fünf, ein Kilogramm"),
        ("de", "um 1 Uhr 15", "um ein Uhr fünfzehn"),
        ("de-CH", "1'234.50 CHF", "eintausendzweihundertvierunddreißig Franken fünfzig"),
        ("fr", "12,50 € et 80 euros", "douze euros cinquante et quatre-vingts euros"),
        ("fr", "71, 81, 91, 200, 80 000", "soixante et onze, quatre-vingt-un, quatre-vingt-onze, deux cents, quatre-vingt mille"),
        ("fr-BE", "71, 91", "septante et un, nonante et un"),
        ("fr", "Le 1er mai 2026 à 14h30", "Le premier mai deux mille vingt-six à quatorze heures trente"),
        ("fr", "1 000 000 €, 21h, la 1ère", "un million d'euros, vingt et une heures, la première"),
        ("fr", "06 12 34 56 78", "zéro six, douze, trente-quatre, cinquante-six, soixante-dix-huit"),
        ("fr", "12 bd Voltaire, n° 5", "douze boulevard Voltaire, numéro cinq"),
        ("es", "12,50 € y 21 €, 200 £", "doce euros con cincuenta céntimos y veintiún euros, doscientas libras"),
        ("es", "El 3 de mayo de 2026 a las 14:30", "El tres de mayo de dos mil veintiséis a las catorce treinta"),
        ("es", "a la 1:15, 3 p. m., 30/11/2026", "a la una quince, tres de la tarde, treinta de noviembre de dos mil veintiséis"),
        ("es", "C/ Mayor 5, 1.º", "calle Mayor cinco, primero"),
        ("es-MX", "$1,234.50", "mil doscientos treinta y cuatro pesos con cincuenta centavos"),
    ],
)  # fmt: skip
def test_what_is_written_is_said(language: str, written: str, spoken: str):
    assert normalised(written, language) == spoken


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fi", "Se maksaa 5 €."),
        ("", "It costs $5."),
        ("en", "No numbers here."),
        ("de", "1 Apfel"),
        ("fr", "21 personnes"),
        ("es", "200 personas"),
        ("en", "13/45/2026 5/3"),
        ("en", "A0:0"),
        ("en", "9" * 20 + "000"),
    ],
)
def test_in_doubt_it_stays_as_it_is_written(language: str, text: str):
    assert normalised(text, language) == text


def test_regions_are_told_apart_where_they_differ():
    assert language_of("en-gb") is not language_of("en-US")
    assert language_of("de_AT") is language_of("de")
    assert language_of("es-Latn-MX") is language_of("es-MX")
    assert language_of("tlh") is None


@given(st.sampled_from(LANGUAGES), st.text(alphabet="0123456789.,:/-+ €$%#hapm°AZbé'’", max_size=40))
def test_what_is_said_is_said_as_it_stands(language: str, text: str):
    once = normalised(text, language)
    assert normalised(once, language) == once


@given(st.sampled_from(LANGUAGES), st.text(alphabet="0123456789.,:/- €$%hmAb", max_size=40))
def test_rewrites_are_in_order_and_apart(language: str, text: str):
    last = 0
    for rewrite in rewrites(text, language):
        assert last <= rewrite.start < rewrite.end <= len(text)
        assert rewrite.spoken.strip()
        last = rewrite.end


@given(st.sampled_from(LANGUAGES), st.integers(0, 10**15 - 1), st.integers(0, 10**15 - 1))
def test_two_numbers_are_never_said_alike(language: str, one: int, other: int):
    known = language_of(language)
    assert known is not None
    assert (known.cardinal(one) == known.cardinal(other)) == (one == other)


@given(st.sampled_from(LANGUAGES), st.dates())
def test_every_date_is_said_without_digits(language: str, date: object):
    assert not any(char.isdigit() for char in normalised(f"{date}", language))
