"""Buttons and menus that could not be told apart or used are refused; pressing is allowed only as it is offered."""

from typing import Any

import msgspec
import pytest

from vox.chat.errors import Refusal
from vox.chat.features.messages.components import Component, find_component, validate_components, validate_press

BUTTON = {"type": "button", "label": "Yes", "custom_id": "yes"}
LINK = {"type": "button", "label": "Open", "url": "https://example.com"}
MENU: dict[str, Any] = {
    "type": "select", "custom_id": "menu", "min_values": 1, "max_values": 2,
    "options": [{"label": "A", "value": "a"}, {"label": "B", "value": "b"}, {"label": "C", "value": "c"}],
}  # fmt: skip


def parsed(*components: dict[str, Any]) -> list[Component]:
    return msgspec.convert(list(components), list[Component])


def test_good_ones_pass_and_keep_their_form():
    components = parsed(BUTTON, LINK, MENU)
    validate_components(components)
    assert msgspec.to_builtins(components)[0] == {
        "type": "button", "label": "Yes", "custom_id": "yes", "style": "primary", "url": None, "disabled": False, "row": 0,
    }  # fmt: skip
    assert find_component(components, "menu") is components[2]
    assert find_component(components, "Yes") is None


@pytest.mark.parametrize(
    "components",
    [
        [BUTTON, BUTTON],
        [BUTTON, {**MENU, "custom_id": "yes"}],
        [{"type": "button", "label": "x"}],
        [{**BUTTON, "url": "https://example.com"}],
        [{**LINK, "url": "javascript:alert(1)"}],
        [{**BUTTON, "label": "a\x00"}],
        [{**MENU, "min_values": 3}],
        [{**MENU, "max_values": 4}],
        [{**MENU, "options": [MENU["options"][0]] * 2}],
    ],
)
def test_bad_ones_are_refused(components: list[dict[str, Any]]):
    with pytest.raises(Refusal):
        validate_components(parsed(*components))


@pytest.mark.parametrize(
    ("component", "values", "is_good"),
    [
        (BUTTON, None, True),
        (BUTTON, [], True),
        (BUTTON, ["a"], False),
        ({**BUTTON, "disabled": True}, None, False),
        (MENU, ["a"], True),
        (MENU, ["a", "c"], True),
        (MENU, None, False),
        (MENU, ["a", "b", "c"], False),
        (MENU, ["a", "a"], False),
        (MENU, ["d"], False),
        ({**MENU, "disabled": True}, ["a"], False),
    ],
)
def test_they_are_used_as_they_are_offered(component: dict[str, Any], values: list[str] | None, is_good: bool):
    (one,) = parsed(component)
    if is_good:
        validate_press(one, values)
    else:
        with pytest.raises(Refusal):
            validate_press(one, values)
