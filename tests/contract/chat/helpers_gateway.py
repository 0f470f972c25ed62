"""What several tests of the gateway do: hide a feed, resume a session."""

from typing import Any

from tests.contract.chat.harness import Gateway, Person, Rig


async def hide(admin: Person, feed_id: int) -> None:
    """Takes a feed out of everyone's sight."""
    everyone = next(role for role in (await admin.ok("GET", "/roles"))["items"] if role["position"] == 0)
    body = {"allow": 0, "deny": 1}
    reply = await admin.put(f"/feeds/{feed_id}/permissions/role/{everyone['role_id']}", body)
    assert reply.is_success, reply.text


async def resumed(rig: Rig, who: Person, before: Gateway, last_seq: int) -> list[dict[str, Any]]:
    """What a session gets that resumes after `last_seq`."""
    async with rig.socket() as gateway:
        await gateway.expect("hello")
        d = {"token": who.token, "session_id": before.ready["session_id"], "last_seq": last_seq}
        await gateway.send("resume", d)
        return await gateway.events()
