"""A feed that keeps its messages for some days: older ones go by the sweep, clients are told, pinned ones stay."""

from pathlib import Path

import pytest

from tests.contract.chat.harness import Rig, community
from tests.contract.chat.helpers_people import LateClock
from tests.contract.chat.helpers_spaces import feed
from vox.chat.features import retention

DAY_S = 86_400


async def test_what_is_older_goes_by_the_sweep_and_clients_are_told(database_url: str, tmp_path: Path):
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        ada = await rig.register("ada")
        kept_feed, feed_id = await feed(ada), await feed(ada)
        assert await ada.ok("GET", f"/feeds/{feed_id}/retention") == {"keep_days": None}
        assert await ada.ok("PUT", f"/feeds/{feed_id}/retention", {"keep_days": 9}) == {"keep_days": 9}
        assert await ada.ok("PUT", f"/feeds/{feed_id}/retention", {"keep_days": 2}) == {"keep_days": 2}
        old = [(await ada.ok("POST", f"/feeds/{one}/messages", {"body": "old"}))["msg_id"] for one in (feed_id,) * 3]
        await ada.ok("PUT", f"/feeds/{feed_id}/pins/{old[0]}")
        thread = await ada.ok("POST", f"/feeds/{feed_id}/threads", {"name": "t", "parent_msg_id": old[1]})
        path = f"/feeds/{feed_id}/threads/{thread['thread_id']}/messages"
        inside = (await ada.ok("POST", path, {"body": "old, too"}))["msg_id"]
        await ada.ok("POST", f"/feeds/{kept_feed}/messages", {"body": "old, elsewhere"})
        clock.advance(2 * DAY_S + 60)
        token = (await rig.http.post("/api/v1/auth/login", json={"username": "ada", "password": "correct horse battery"})).json()["token"]  # fmt: skip
        ada.token = token
        new = (await ada.ok("POST", f"/feeds/{feed_id}/messages", {"body": "new"}))["msg_id"]
        async with ada.gateway() as gateway:
            await retention.sweep(rig.chat)
            told = await gateway.expect("message_bulk_delete", feed_id=feed_id)
            assert told["d"]["msg_ids"] == [old[1], old[2], inside]
        history = (await ada.ok("GET", f"/feeds/{feed_id}/messages"))["messages"]
        assert [message["msg_id"] for message in history] == [new, old[0]]
        assert (await ada.ok("GET", path))["messages"] == []
        assert len((await ada.ok("GET", f"/feeds/{kept_feed}/messages"))["messages"]) == 1
        assert (await ada.delete(f"/feeds/{feed_id}/retention")).status_code == 204
        clock.advance(20 * DAY_S)
        await retention.sweep(rig.chat)
        kinds = {entry["event_type"] for entry in (await ada.ok("GET", "/audit-log"))["entries"]}
        assert "feed.retention" in kinds
        assert len((await ada.ok("GET", f"/feeds/{feed_id}/messages"))["messages"]) == 2


@pytest.mark.parametrize("days", [0, -1, 36_501, "2", None, 1.5])
async def test_a_number_of_days_that_is_none_is_refused(chat: Rig, days: object):
    ada = await chat.register("ada")
    feed_id = await feed(ada)
    assert (await ada.put(f"/feeds/{feed_id}/retention", {"keep_days": days})).status_code == 422


async def test_only_those_who_manage_feeds_set_it(chat: Rig):
    ada, bo = await chat.register("ada"), await chat.register("bo")
    feed_id = await feed(ada)
    assert (await bo.get(f"/feeds/{feed_id}/retention")).status_code == 200
    assert (await bo.put(f"/feeds/{feed_id}/retention", {"keep_days": 1})).status_code == 403
    assert (await bo.delete(f"/feeds/{feed_id}/retention")).status_code == 403
    assert (await ada.put("/feeds/99/retention", {"keep_days": 1})).status_code == 404
