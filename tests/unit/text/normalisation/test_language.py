"""What is common to the languages."""

import pytest

from vox.text.normalisation.english import ENGLISH
from vox.text.normalisation.french import FRENCH
from vox.text.normalisation.german import GERMAN
from vox.text.normalisation.language import Language, spelled
from vox.text.normalisation.spanish import SPANISH


@pytest.mark.parametrize("language", [ENGLISH, GERMAN, FRENCH, SPANISH])
def test_every_language_has_ten_digits_and_twelve_months(language: Language):
    assert len(set(language.digits)) == 10
    assert set(language.months.values()) == set(range(1, 13))
    assert spelled("907", language).split() == [language.digits[9], language.digits[0], language.digits[7]]
