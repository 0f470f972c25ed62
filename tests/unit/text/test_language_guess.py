"""Which language a sentence is taken for where none is configured."""

import pytest

from vox.text.language_guess import guess


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Your table is booked for 7 at 8:30.", "en"),
        ("Das macht 12,50 €, und der Tisch ist um 19 Uhr frei.", "de"),
        ("Cela fait 12 € et la table est réservée à 19h.", "fr"),
        ("La mesa está reservada para el 3 de mayo.", "es"),
        ("O total é de 5 euros e a mesa está reservada.", "pt"),
        ("La fattura è di 5 euro per il cliente.", "it"),
        ("Bordet är bokat till den 3 maj och kostar inte 5 kr.", "sv"),
        ("12:30", ""),
        ("OK 5", ""),
        ("", ""),
    ],
)
def test_function_words_tell_the_language(text: str, language: str):
    assert guess(text) == language
