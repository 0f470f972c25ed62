"""RoomService as an application's server calls it: Twirp with JSON, by curl on the machine of the relay."""

import asyncio
import json
import shutil
import subprocess
from typing import Any

from tests.e2e.relay.rooms import ROOM, Meeting
from tests.require import require
from tests.sdks.servers import HTTP_PORT
from tests.sdks.tokens import admin_token
from tests.time_limits import time_limit


async def room_service(meeting: Meeting, method: str, **body: Any) -> dict[str, Any]:
    """The answer of one method; names of fields are the protocol's own.

    Raises:
        AssertionError: the server refused; the message is its answer.
    """
    require(shutil.which("curl") is not None, "curl", "apt-get install curl")
    url = f"http://{meeting.server.address}:{HTTP_PORT}/twirp/livekit.RoomService/{method}"
    process = await asyncio.create_subprocess_exec(
        *meeting.server.host.namespace.command("curl", "--silent", "--show-error", "--fail-with-body", url),
        *("--header", f"authorization: Bearer {admin_token(ROOM)}", "--json", json.dumps(body)),
        stdout=subprocess.PIPE,
    )
    async with time_limit():
        answer, _ = await process.communicate()
    assert process.returncode == 0, f"{method}: {answer.decode()}"
    found: dict[str, Any] = json.loads(answer)
    return found
