"""What a configuration with several providers says about each."""

import pytest

from vox.errors import UsageError
from vox.providers.failover.wrap import options_of


def test_one_provider_has_all_options():
    assert options_of("stt", ("deepgram",), {"timeout_s": 3}, "nova-3") == [
        ("deepgram", {"timeout_s": 3, "model": "nova-3"})
    ]


def test_several_have_theirs_by_name_and_the_model_is_the_first_ones():
    options = {"openai": {"timeout_s": 3}}
    assert options_of("stt", ("deepgram", "openai"), options, "nova-3") == [
        ("deepgram", {"model": "nova-3"}),
        ("openai", {"timeout_s": 3}),
    ]


def test_options_that_belong_to_no_provider_are_refused_with_the_remedy():
    with pytest.raises(UsageError, match="under its name") as caught:
        options_of("stt", ("deepgram", "openai"), {"timeout_s": 3}, "")
    assert caught.value.code == "invalid_provider_option"
