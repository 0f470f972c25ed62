import pytest

from vox.clients.carrier_simulator.numbers import is_digits, is_number, whole_seconds


@pytest.mark.parametrize("text", ["+15550100", "+491234567890123", "+" + "1" * 15])
def test_numbers_in_e_164_are_numbers(text):
    assert is_number(text)
    assert is_digits(text[1:])


@pytest.mark.parametrize("text", ["", "+", "15550100", "+1555", "+" + "1" * 16, "+1555a100", "+1555 0100", "+١٢٣٤٥٦٧٨"])
def test_anything_else_is_none(text):
    assert not is_number(text)


@pytest.mark.parametrize(("value", "seconds"), [(1, 1.0), ("1", 1.0), (60, 60.0), ("60", 60.0)])
def test_seconds_within_bounds_are_read_from_numbers_and_texts(value, seconds):
    assert whole_seconds(value, 1, 60) == seconds


@pytest.mark.parametrize("value", [0, 61, "0", "61", "9" * 100, "", "x", "-1", "1.5", 1.5, True, None, [], "٣"])
def test_seconds_out_of_bounds_are_none(value):
    assert whole_seconds(value, 1, 60) is None
