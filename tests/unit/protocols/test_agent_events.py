"""Inputs and events are values: alike if they say the same, and with fields that no two share."""

import dataclasses
from typing import Any, get_args

import pytest

from vox.protocols.agent_events import AgentEvent, ClientInput, ClientToolResult, ToolProgress

KINDS: list[Any] = [*get_args(ClientInput), *get_args(AgentEvent)]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_was_said_is_changed_afterwards(kind: Any) -> None:
    fields = {field.name: "x" for field in dataclasses.fields(kind)}
    one, other = kind(**fields), kind(**fields)
    assert one == other
    for name in fields:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, name, "y")


@pytest.mark.parametrize("make", [lambda: ClientToolResult("c", "n"), lambda: ToolProgress("c", "n", "started")])
def test_arguments_nobody_gave_are_a_table_of_its_own(make) -> None:
    one, other = make(), make()
    assert one.arguments == {}
    assert one.arguments is not other.arguments
