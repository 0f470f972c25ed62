"""A community with something of everything, and what a reader sees of it."""

from typing import Any

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_spaces import feed

NOTE = ("note.txt", b"kept word for word", "text/plain")


async def fill(rig: Rig) -> tuple[Person, int, str]:
    """Fills it; returns its administrator, a feed and a file."""
    ada = await rig.register("ada")
    bo = await rig.register("bo")
    await rig.register("gone")
    feed_id = await feed(ada)
    file = (await ada.call("POST", f"/feeds/{feed_id}/files", files={"file": NOTE})).json()
    first = await ada.ok("POST", f"/feeds/{feed_id}/messages", {"body": "look", "attachments": [file["file_id"]]})
    for n in range(120):
        await bo.ok(
            "POST",
            f"/feeds/{feed_id}/messages",
            {"body": f"line {n}\twith \\ tab, ünï and 🎈", "reply_to": first["msg_id"]},
        )
    await bo.ok("PUT", f"/feeds/{feed_id}/messages/{first['msg_id']}/reactions/👍")
    await ada.ok("POST", f"/feeds/{feed_id}/threads", {"name": "aside", "parent_msg_id": first["msg_id"]})
    dm = await ada.ok("POST", "/dms", {"recipient_id": bo.user_id})
    await ada.ok("POST", f"/dms/{dm['dm_id']}/messages", {"body": "between us"})
    return ada, feed_id, file["file_id"]


async def seen(person: Person, feed_id: int) -> dict[str, Any]:
    """What a member reads: history, search, layout, members."""
    return {
        "history": await person.ok("GET", f"/feeds/{feed_id}/messages", limit=100),
        "found": await person.ok("GET", "/messages/search", query="ünï", limit=5),
        "layout": await person.ok("GET", "/server/layout"),
        "members": await person.ok("GET", "/members"),
        "dms": await person.ok("GET", "/dms"),
        "audit": await person.ok("GET", "/audit-log"),
    }


def at(person: Person, rig: Rig) -> Person:
    """The same account with its login, at another server."""
    return Person(rig, person.name, person.user_id, person.token)
