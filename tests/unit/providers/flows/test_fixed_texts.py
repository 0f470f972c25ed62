"""What a flow says word for word."""

from tests.unit.providers.flows.flows import script
from vox.providers.flows.fixed_texts import fixed_texts


def test_every_text_without_places_is_there_once_and_no_other():
    texts = fixed_texts(script())
    assert texts[:3] == ["Hello.", "What can I do?", "Anything else?"]
    expected = {"From noon to ten.", "How many?", "For example: four.", "One to twelve.", "The book is closed."}
    expected |= {"Behind the house.", "One moment.", "Bye.", "Sorry?", "Again?", "I give up.", "Which day?"}
    assert expected <= set(texts)
    assert len(texts) == len(set(texts))
    assert not [text for text in texts if "{" in text]
    assert not {"Test", "booking", "book_table", "wine", "transfer", "parking"} & set(texts)
