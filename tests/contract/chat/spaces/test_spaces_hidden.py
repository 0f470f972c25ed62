"""Whoever may manage spaces still has no business with those he may not view."""

import pytest

from tests.contract.chat.harness import Rig
from vox.chat.events.permissions import P

HIDDEN = [{"target_type": "role", "target_id": 1, "allow": 0, "deny": int(P.VIEW_SPACE)}]


@pytest.mark.parametrize(("kind", "type_"), [("feed", "text"), ("room", "voice")])
async def test_a_space_that_is_not_seen_is_neither_read_nor_changed_nor_deleted(chat: Rig, kind: str, type_: str):
    admin, keeper = await chat.register("admin"), await chat.register("keeper")
    role = await admin.ok("POST", "/roles", {"name": "keepers", "position": 5, "permissions": int(P.MANAGE_SPACES)})
    await admin.ok("PUT", f"/members/{keeper.user_id}/roles/{role['role_id']}")
    hidden = await admin.ok("POST", f"/{kind}s", {"name": "secret", "type": type_, "permission_overrides": HIDDEN})
    shown = await admin.ok("POST", f"/{kind}s", {"name": "open", "type": type_})
    path = f"/{kind}s/{hidden[f'{kind}_id']}"

    for reply in (await keeper.patch(path, {"name": "mine"}), await keeper.patch(path), await keeper.delete(path)):
        assert reply.status_code == 403
        assert reply.json()["error"]["missing_permission"] == "VIEW_SPACE"
        assert "secret" not in reply.text
    assert (await admin.ok("GET", path))["name"] == "secret"

    assert (await keeper.patch(f"/{kind}s/{shown[f'{kind}_id']}", {"name": "renamed"})).status_code == 200
    assert (await keeper.delete(f"/{kind}s/{shown[f'{kind}_id']}")).status_code == 204
    assert (await keeper.delete(f"/{kind}s/999")).status_code == 404
