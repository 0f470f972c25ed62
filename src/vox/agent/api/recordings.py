"""Pausing and resuming the recording of a call from outside: `POST /calls/{call}/recording/pause` and `/resume`."""

from vox.agent.api.policy import KEY, Access, has_key, is_page_allowed
from vox.agent.api.responses import error, success
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.server import AgentServer
from vox.http.call import HttpCall
from vox.http.routing import Reply, RouteTable


class RecordingRoutes:
    """The routes of one agent server."""

    def __init__(self, server: AgentServer) -> None:
        self._server = server

    def add_to(self, table: RouteTable[Access]) -> None:
        """Adds them to a table."""
        for prefix in ("", "/api/v1"):
            for what, endpoint in (("pause", self.pause), ("resume", self.resume)):
                path = f"{prefix}/calls/{{call}}/recording/{what}"
                table.post(path, access=KEY, returns=bytes, label="recording", errors=(401, 403, 404))(endpoint)

    async def pause(self, call: HttpCall) -> Reply:
        """Records silence in a running call until it is resumed, and redacts numbers in its transcript."""
        found = self._find(call)
        if isinstance(found, Reply):
            return found
        for session in found:
            session.recording.pause()
        return _state(call, found[0])

    async def resume(self, call: HttpCall) -> Reply:
        """Records a running call again."""
        found = self._find(call)
        if isinstance(found, Reply):
            return found
        for session in found:
            session.recording.resume()
        return _state(call, found[0])

    def _find(self, call: HttpCall) -> list[Session] | Reply:
        """The running call, by our id, the carrier's, or its session's, which several calls may share."""
        server, name = self._server, call.path["call"]
        if not has_key(call, server.settings):
            return error(call.scope, 401, "UNAUTHORIZED", "Unauthorized")
        if not is_page_allowed(call, server.settings):
            return error(call.scope, 403, "FORBIDDEN", "This origin is not in cors_allowed_origins")
        found = [session for session in server.sessions if name in _names(session.info)]
        return found or error(call.scope, 404, "NOT_FOUND", "No call of that id runs on this server")


def _names(info: CallInfo) -> tuple[str, ...]:
    return tuple(name for name in (info.call_id, info.session_id, info.carrier_call_id) if name)


def _state(call: HttpCall, session: Session) -> Reply:
    recording = session.recording
    state = {
        "call_id": session.info.call_id,
        "is_recorded": recording.is_recorded,
        "is_paused": recording.is_paused,
    }
    return success(call.scope, state)
