"""`GET /sessions/{id}/transcript`: what was said in a session, for the holder of the server's key.

What people said is nothing to leave open: without a configured key the route is closed, unlike the others.
"""

from typing import Final

from vox.agent.api.policy import Access, has_key
from vox.agent.api.responses import error, success
from vox.agent.server import AgentServer
from vox.agent.transcripts.rows import TranscriptRow, is_session_id
from vox.http.call import HttpCall
from vox.http.routing import Reply, RouteTable

KEY_ALWAYS: Final = Access("server_api_key; closed where none is configured", ({"key": ()},))
DEFAULT_LIMIT: Final = 200
MAX_LIMIT: Final = 1000
MAX_SEQ: Final = 2_147_483_647
_DIGITS: Final = 10


class TranscriptRoutes:
    """The routes of transcripts."""

    def __init__(self, server: AgentServer) -> None:
        self._server = server

    def add_to(self, table: RouteTable[Access]) -> None:
        """Adds them, with and without the version."""
        for prefix in ("", "/api/v1"):
            table.get(
                f"{prefix}/sessions/{{id}}/transcript",
                access=KEY_ALWAYS,
                query=[
                    {"name": "after", "in": "query", "schema": {"type": "integer", "minimum": 0, "default": 0}},
                    {
                        "name": "limit",
                        "in": "query",
                        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
                    },
                ],
                returns={"type": "object"},
                label="session_transcript",
                errors=(401, 404, 422, 503),
            )(self.transcript)

    async def transcript(self, call: HttpCall) -> Reply:
        """The rows of a session in order, also those that are not in the database yet; `after` and `limit` page through them."""
        settings = self._server.settings
        if not settings.server_api_key.get_secret_value():
            return error(call.scope, 401, "UNAUTHORIZED", "Set server_api_key to read transcripts")
        if not has_key(call, settings):
            return error(call.scope, 401, "UNAUTHORIZED", "Unauthorized")
        store, session_id = self._server.resources.transcripts, call.path["id"]
        if store is None:
            return error(call.scope, 404, "NOT_FOUND", "Transcripts are not stored: set transcripts.enable")
        after, limit = _number(call, "after", 0, MAX_SEQ, 0), _number(call, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT)
        if after is None or limit is None:
            field, message = (
                ("after", "a number from 0") if after is None else ("limit", f"a number from 1 to {MAX_LIMIT}")
            )
            details = [{"field": field, "message": f"must be {message}"}]
            return error(call.scope, 422, "VALIDATION_ERROR", f"{field} must be {message}", details=details)
        rows = await store.read(session_id, after, limit + 1) if is_session_id(session_id) else None
        if rows is None:
            return error(call.scope, 404, "NOT_FOUND", "There is no transcript of this session")
        page, has_more = rows[:limit], len(rows) > limit
        return success(
            call.scope,
            {
                "session_id": session_id,
                "rows": [_shaped(row) for row in page],
                "next_after": page[-1].seq if has_more else None,
            },
        )


def _number(call: HttpCall, name: str, least: int, most: int, default: int) -> int | None:
    """A number of the query; None where it is none, or out of its bounds."""
    text = call.query_params.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        return None
    return value if least <= (value := int(text)) <= most else None


def _shaped(row: TranscriptRow) -> dict[str, str | int]:
    return {
        "seq": row.seq,
        "role": row.role,
        "text": row.text,
        "created_at": row.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
