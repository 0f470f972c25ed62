"""Bodies between servers: the original's fields stay as they are, ours come beside them."""

import msgspec
import pytest

from vox.chat.federation.wire import RelayMessage, RelayRead


def test_a_message_of_an_original_server_is_read():
    said = msgspec.json.decode(b'{"from":"a@red.example","to":"b@blue.example","opaque_blob":"x"}', type=RelayMessage)
    assert (said.sender, said.recipient, said.opaque_blob) == ("a@red.example", "b@blue.example", "x")
    assert (said.body, said.delivery_id, said.files) == (None, None, [])


def test_what_is_not_set_does_not_travel():
    said = RelayRead("a@red.example", "b@blue.example", 5)
    assert msgspec.json.decode(msgspec.json.encode(said)) == {
        "from": "a@red.example",
        "to": "b@blue.example",
        "up_to_msg_id": 5,
    }


@pytest.mark.parametrize(
    "change",
    [{"sequence": 1 << 63}, {"sequence": -1}, {"delivery_id": ""}, {"files": [{}] * 11}, {"from": 1}, {"to": "x"}],
)
def test_bounds_hold(change: dict[str, object]):
    said = {"from": "a@red.example", "to": "b@blue.example", "opaque_blob": "x", **change}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(said), type=RelayMessage)
