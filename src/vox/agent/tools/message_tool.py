"""The built-in tool `take_message`: what a caller left is appended to a file, one JSON object a line.

The file holds personal data and is created for its owner alone. It is bounded; a full one refuses, and the caller is told.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from vox.agent.tools.contract import Tool
from vox.errors import DependencyError, UsageError
from vox.providers.llm.contract import ToolCall, ToolSpec
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

log = get_logger(__name__)

NAME: Final = "take_message"
MAX_FILE_BYTES: Final = 10_000_000
MAX_MESSAGE_BYTES: Final = 10_000

_SPEC: Final = ToolSpec(
    NAME,
    "Writes down a message that the caller leaves.",
    {
        "type": "object",
        "properties": {
            "caller": {"type": "string", "description": "Who is calling"},
            "recipient": {"type": "string", "description": "Who the message is for"},
            "number": {"type": "string", "description": "Where the caller can be reached"},
            "message": {"type": "string", "description": "What to tell"},
            "urgent": {"type": "boolean", "description": "Whether it cannot wait"},
        },
    },
)


def take_message_tool(file: Path, clock: Clock) -> Tool:
    """The tool that appends to this file; the file is made with the first message."""

    async def run(_call: ToolCall, arguments: Mapping[str, Any]) -> dict[str, str]:
        line = msgspec.json.encode({"at": clock.wall().isoformat(timespec="seconds"), **arguments}) + b"\n"
        if len(line) > MAX_MESSAGE_BYTES:
            raise UsageError(f"a message has at most {MAX_MESSAGE_BYTES} bytes", code="message_too_long")
        await asyncio.to_thread(_append, file, line)
        log.info("message taken", file=str(file))
        return {"status": "written down"}

    return Tool(_SPEC, run)


def _append(file: Path, line: bytes) -> None:
    """One write of one line, so that two at once do not mix."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.fstat(number).st_size + len(line) > MAX_FILE_BYTES:
                raise DependencyError(f"{file} is full", code="messages_full", hint="move it away; a new one is made")
            os.write(number, line)
        finally:
            os.close(number)
    except OSError as error:
        raise DependencyError(
            f"the message cannot be written to {file}: {error.strerror}",
            code="messages_unwritable",
            hint="set `messages_file` to a place that this user may write",
        ) from error
