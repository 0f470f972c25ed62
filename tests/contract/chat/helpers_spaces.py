"""Short words for what tests of spaces do again and again, and how they look into the database."""

from typing import Any

import httpx2
from sqlalchemy import Table, func, insert, select

from tests.contract.chat.harness import Person, Rig
from vox.chat.database.schema import files
from vox.chat.database.unit_of_work import Change
from vox.chat.events.permissions import P


async def feed(admin: Person, name: str = "general", **more: Any) -> int:
    """A new feed's id."""
    return (await admin.ok("POST", "/feeds", {"name": name, "type": "text", **more}))["feed_id"]


async def say(person: Person, feed_id: int, body: str = "hello", **more: Any) -> int:
    """A new message's id."""
    return (await person.ok("POST", f"/feeds/{feed_id}/messages", {"body": body, **more}))["msg_id"]


async def write(person: Person, dm_id: int, body: str = "hello", **more: Any) -> int:
    """A new message's id in a conversation."""
    return (await person.ok("POST", f"/dms/{dm_id}/messages", {"body": body, **more}))["msg_id"]


async def deny(admin: Person, feed_id: int, person: Person, permission: P, *, kind: str = "feeds") -> None:
    """Takes a permission in one space from somebody."""
    mask = {"allow": 0, "deny": int(permission)}
    await admin.ok("PUT", f"/{kind}/{feed_id}/permissions/user/{person.user_id}", mask)


async def allow(admin: Person, feed_id: int, person: Person, permission: P) -> None:
    """Gives somebody a permission in one feed."""
    mask = {"allow": int(permission), "deny": 0}
    await admin.ok("PUT", f"/feeds/{feed_id}/permissions/user/{person.user_id}", mask)


async def grant(admin: Person, person: Person, permission: P) -> int:
    """Gives somebody a role with a permission; its id."""
    role = {"name": f"may {int(permission)}", "permissions": int(permission), "position": 5}
    role_id = (await admin.ok("POST", "/roles", role))["role_id"]
    await admin.ok("PUT", f"/members/{person.user_id}/roles/{role_id}")
    return role_id


async def bodies(person: Person, path: str, **query: Any) -> list[str]:
    """What a history says, newest first."""
    return [message["body"] for message in (await person.ok("GET", path, **query))["messages"]]


async def upload(rig: Rig, owner: Person, file_id: str, **where: Any) -> str:
    """A file as an upload would have left it; its id."""
    row = {"id": file_id, "name": f"{file_id}.png", "size": 3, "mime": "image/png", "url": f"/api/v1/files/{file_id}"}
    row |= {"uploader_id": owner.user_id, "created_at": 1, **where}
    await rig.chat.change(lambda connection: Change(connection.execute(insert(files).values(row)).rowcount))
    return file_id


async def count(rig: Rig, table: Table) -> int:
    """How many rows a table has."""
    query = select(func.count()).select_from(table)
    return await rig.chat.read(lambda connection: connection.execute(query).scalar_one())


def refusal(reply: httpx2.Response) -> tuple[int, str]:
    """Status and code of a response that must be an error."""
    assert reply.is_error, reply.text
    return reply.status_code, reply.json()["error"]["code"]


Row = tuple[str, str, Any, tuple[int, str]]
"""Method, path, body or None, and the refusal that is expected."""


async def mismatches(person: Person, rows: list[Row]) -> list[str]:
    """Which requests are not refused as expected: all in one community, because making one takes longer than asking."""
    found: list[str] = []
    for method, path, body, expected in rows:
        reply = await person.call(method, path, **({} if body is None else {"json": body}))
        got = (reply.status_code, reply.json()["error"]["code"]) if reply.is_error else (reply.status_code, "")
        if got != expected:
            found.append(f"{method} {path} {body}: {got} instead of {expected}")
    return found
