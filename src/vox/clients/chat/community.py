"""The community as a whole: its settings, emoji, reports, audit log and previews; the group of calls `client.community`."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec

from vox.clients.chat.bound import Bound, bind
from vox.clients.chat.messages import Embed, Message
from vox.clients.chat.pages import listed
from vox.clients.chat.rest import Rest


class Community(msgspec.Struct, kw_only=True):
    """What a community says of itself."""

    name: str = ""
    icon: str | None = None
    description: str = ""
    member_count: int = 0


class Emoji(Bound, kw_only=True):
    """One of the community's emoji."""

    emoji_id: int
    name: str = ""
    creator_id: int | None = None
    image: str = ""

    async def delete(self) -> None:
        """Deletes it."""
        await self.rest.delete(f"/emoji/{self.emoji_id}")


class Report(Bound, kw_only=True):
    """A report of a member."""

    report_id: int
    reporter_id: int | None = None
    reported_user_id: int | None = None
    reason: str = ""
    status: str = ""
    created_at: int | None = None
    feed_id: int | None = None
    msg_id: int | None = None
    dm_id: int | None = None
    description: str = ""
    action: str | None = None

    async def resolve(self, action: str) -> None:
        """Closes it, with what was done about it."""
        await self.rest.post(f"/reports/{self.report_id}/resolve", object, {"action": action})


class AuditEntry(Bound, kw_only=True):
    """One line of the audit log; `timestamp` is Unix milliseconds."""

    entry_id: int
    event_type: str = ""
    actor_id: int | None = None
    target_id: int | None = None
    metadata: Any = None
    timestamp: int = 0


class CommunityCalls:
    """Settings, emoji, reports, audit log, previews."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def info(self) -> Community:
        """What the community says of itself."""
        return await self._rest.get("/server", Community)

    async def change(
        self, *, name: str | None = None, icon: str | None = None, description: str | None = None
    ) -> Community:
        """Changes what is given."""
        body = {"name": name, "icon": icon, "description": description}
        return await self._rest.patch("/server", Community, body)

    async def emoji(self) -> AsyncGenerator[Emoji]:
        """The community's emoji."""
        async for one in listed(self._rest, "/emoji", Emoji):
            yield one

    async def create_emoji(self, name: str, image: bytes, *, mime: str = "image/png") -> Emoji:
        """Adds an emoji."""
        parts = {"image": (f"{Path(name).name}.png", image, mime), "name": (None, name.encode(), "text/plain")}
        return bind(await self._rest.send("POST", "/emoji", Emoji, files=parts), self._rest)

    async def report(self, message: Message, reason: str, *, description: str | None = None) -> Report:
        """Reports a message to those who moderate."""
        body = {
            "reported_user_id": message.author_id,
            "feed_id": message.feed_id,
            "dm_id": message.dm_id,
            "msg_id": message.msg_id,
            "messages": [{"msg_id": message.msg_id, "body": message.body, "timestamp": message.timestamp}],
            "reason": reason,
            "description": description,
        }
        return bind(await self._rest.post("/reports", Report, body), self._rest)

    async def reports(self, *, status: str | None = None) -> AsyncGenerator[Report]:
        """The reports that the account may see."""
        async for one in listed(self._rest, "/reports", Report, {"status": status}):
            yield one

    async def audit_log(
        self, *, event_type: str | None = None, actor_id: int | None = None, target_id: int | None = None
    ) -> AsyncGenerator[AuditEntry]:
        """The audit log, oldest first; `event_type` may have `*`."""
        query = {"event_type": event_type, "actor_id": actor_id, "target_id": target_id}
        async for one in listed(self._rest, "/audit-log", AuditEntry, query):
            yield one

    async def preview(self, url: str) -> Embed:
        """What a page says of itself."""
        return await self._rest.post("/embeds/resolve", Embed, {"url": url})
