"""The exports of other programs that a reader has: one message each, by a person who has the name of this community's administrator."""

import json
import zipfile
from pathlib import Path
from typing import Any

_MESSAGE_ID = 1_000_000_000 << 22


def provide_exports(folder: Path) -> None:
    """Writes `export.zip` as DiscordChatExporter does, and `workspace.zip` as Slack does."""
    channel = {"id": "2", "type": "GuildTextChat", "name": "from-discord"}
    said = {"id": str(_MESSAGE_ID), "type": "Default", "content": "hello", "author": {"id": "1", "name": "ada"}}
    _pack(folder / "export.zip", {"general.json": {"guild": {}, "channel": channel, "messages": [said]}})
    _pack(
        folder / "workspace.zip",
        {
            "users.json": [{"id": "U1", "name": "grace", "profile": {}}],
            "channels.json": [{"id": "C1", "name": "from-slack"}],
            "from-slack/2026-01-01.json": [{"type": "message", "user": "U1", "text": "hello", "ts": "1767225600.0001"}],
        },
    )


def _pack(archive: Path, members: dict[str, Any]) -> None:
    with zipfile.ZipFile(archive, "w") as out:
        for name, content in members.items():
            out.writestr(name, json.dumps(content))
