"""Components have the form of the documents, without what is not set."""

from vox.clients.chat.components import Button, Menu, MenuOption, encoded, link_button


def test_components_on_the_wire():
    components = [
        Button(label="Yes", custom_id="yes", style="success"),
        link_button("Talk", "https://example.com"),
        Menu(custom_id="colour", options=[MenuOption("Red", "red")], max_values=2),
    ]
    assert encoded(components) == [
        {"type": "button", "label": "Yes", "custom_id": "yes", "style": "success"},
        {"type": "button", "label": "Talk", "url": "https://example.com", "style": "link"},
        {"type": "select", "custom_id": "colour", "options": [{"label": "Red", "value": "red"}], "max_values": 2},
    ]


def test_none_leaves_components_alone_and_an_empty_list_takes_them_away():
    assert encoded(None) is None
    assert encoded([]) == []
