from collections import Counter

from vox.providers.flows.lexical import stem
from vox.providers.flows.synonyms import SYNONYMS


def test_a_word_has_one_meaning():
    said = Counter(word for line in SYNONYMS for word in line)
    assert [word for word, count in said.items() if count > 1] == []


def test_the_words_of_a_line_compare_as_one():
    for line in SYNONYMS:
        assert len({stem(word) for word in line}) == 1, line


def test_no_two_lines_run_into_each_other():
    assert len({stem(line[0]) for line in SYNONYMS}) == len(SYNONYMS)
