"""What the API's document says for those who write clients: permissions by name, and ids that JavaScript cannot hold."""

import json
from pathlib import Path

import pytest

from tests.unit.http.asgi import request
from vox.chat.api.openapi import permission_bits
from vox.chat.app import make_app
from vox.chat.config.settings import load_chat_settings
from vox.chat.errors import OURS, STATUS
from vox.chat.events.permissions import P

PAGE = (Path(__file__).parents[4] / "docs/protocols/chat-rest-people.md").read_text(encoding="utf-8")


async def test_the_document_names_each_permission_and_the_way_around_2_to_the_53(tmp_path: Path):
    given = {"database_url": "sqlite://", "storage_path": str(tmp_path)}
    app = make_app(load_chat_settings({}, given).settings)
    document = json.loads((await request(app, "GET", "/openapi.json")).body)
    app.server.close()
    schemas = document["components"]["schemas"]
    assert schemas["Permissions"]["x-enum"] == {one.name: int(one) for one in P}
    assert "Permissions" in schemas["NewRole"]["properties"]["permissions"]["description"]
    assert "X-Vox-Ids: string" in document["info"]["description"]


@pytest.mark.parametrize(("name", "value"), permission_bits().items())
def test_the_table_of_permissions_has_each_with_its_bit(name: str, value: int):
    assert f"| {value.bit_length() - 1} | {value} | `{name}` |" in PAGE


@pytest.mark.parametrize("code", OURS)
def test_codes_that_the_original_does_not_know_are_listed(code: str):
    assert code in STATUS
    assert f"| `{code}` | {STATUS[code]} | {OURS[code]} |" in PAGE
