import json

import msgspec

from vox.chat.api.json_ids import encode, encode_with_string_ids


class Message(msgspec.Struct):
    msg_id: int
    body: str
    mentions: list[int]
    timestamp: int
    reply_to: int | None
    author: dict[str, int]
    is_pinned: bool = True


BIG = 7_500_000_000_000_000_001
MESSAGE = Message(BIG, "7", [1, 0], 1_700_000_000_000, None, {"user_id": 3, "permissions": BIG, "position": 2})


def test_ids_are_numbers_by_default():
    assert json.loads(encode(MESSAGE))["msg_id"] == BIG


def test_ids_and_masks_are_texts_where_asked_for():
    found = json.loads(encode_with_string_ids({"items": [MESSAGE], "cursor": None}))["items"][0]
    assert found == {
        "msg_id": str(BIG),
        "body": "7",
        "mentions": ["1", "0"],
        "timestamp": 1_700_000_000_000,
        "reply_to": None,
        "author": {"user_id": "3", "permissions": str(BIG), "position": 2},
        "is_pinned": True,
    }
