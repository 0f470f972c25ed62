import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.sessions.variables import (
    MAX_VALUE_CHARACTERS,
    MAX_VARIABLES,
    agent_name,
    call_variables,
    query_variables,
)


def test_texts_stay_and_everything_else_is_json():
    body = {"name": "Zoë", "party": 4, "vip": True, "tags": ["a", "b"], "address": {"city": "Köln"}, "note": None}
    assert call_variables(body) == {
        "name": "Zoë", "party": "4", "vip": "true", "tags": '["a","b"]', "address": '{"city":"Köln"}',
    }  # fmt: skip


@pytest.mark.parametrize(("body", "name"), [(None, ""), ({}, ""), ({"agent": "bar"}, "bar"), ({"agent": 4}, "")])
def test_the_agent_is_no_variable(body: dict[str, Any] | None, name: str):
    assert agent_name(body) == name
    assert "agent" not in call_variables(body)


def test_there_is_a_bound_to_what_a_prompt_can_be_filled_with():
    many = call_variables({str(n): "x" for n in range(1000)})
    assert len(many) == MAX_VARIABLES
    assert len(call_variables({"long": "x" * 100_000})["long"]) == MAX_VALUE_CHARACTERS


@given(
    st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9), max_size=5)
)
def test_values_read_back_as_they_were(body: dict[str, Any]):
    body.pop("agent", None)
    found = call_variables(body)
    assert {name: json.loads(text) for name, text in found.items()} == {
        name: value for name, value in body.items() if value is not None
    }


def test_only_the_variables_of_a_query_are_taken():
    assert query_variables({"agent": "bar", "var.guest": "A&B", "var.": "x", "token": "k"}) == {"guest": "A&B", "": "x"}
