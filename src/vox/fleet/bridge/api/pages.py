"""The operator's pages: their files, and the sign-in that they use."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.responses import Response

from vox.errors import UsageError
from vox.fleet.accounts.api_keys import ADMIN
from vox.fleet.accounts.operator_sessions import SESSION_TTL_S
from vox.fleet.bridge.api.policy import PUBLIC, Access, BridgeCall, key_with
from vox.fleet.bridge.api.session_cookie import is_from_own_page, set_cookie
from vox.fleet.bridge.server import Bridge
from vox.http.routing import Reply, RouteNotFound, RouteTable
from vox.http.static_files import StaticFolder

FOLDER: Final = Path(__file__).parents[1] / "pages"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SESSION: Final = {
    "type": "object",
    "properties": {"expires_at_ms": {"type": "integer", "description": "Unix milliseconds"}},
    "required": ["expires_at_ms"],
}


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/session`."""

    link: Annotated[str, Meta(max_length=128)]


def page_routes(bridge: Bridge) -> RouteTable[Access]:
    """`/`, `/page/{name}` and `/v1/session`."""
    table, pages = RouteTable[Access](), _Pages(bridge)
    table.get("/", access=PUBLIC, returns=bytes, label="page", is_documented=False)(pages.page)
    table.get("/page/{name}", access=PUBLIC, returns=bytes, label="page", is_documented=False)(pages.asset)
    table.post("/v1/session", access=PUBLIC, body=SignIn, returns=SESSION, label="session", errors=(400, 403))(
        pages.sign_in
    )
    table.get("/v1/session", access=key_with(ADMIN), returns=SESSION, label="session")(pages.get_session)
    table.delete("/v1/session", access=key_with(ADMIN), returns=None, label="session")(pages.sign_out)
    return table.grouped("pages")


class _Pages:
    def __init__(self, bridge: Bridge) -> None:
        self._sessions = bridge.operator_sessions
        self._files = StaticFolder(FOLDER)

    async def page(self, _call: BridgeCall) -> Response:
        """The operator's page."""
        return self._files.page(POLICY)

    async def asset(self, call: BridgeCall) -> Response:
        """A file of the page."""
        found = self._files.asset(call.text("name"), POLICY)
        if found is None:
            raise RouteNotFound
        return found

    async def sign_in(self, call: BridgeCall) -> Reply:
        """Begins a session with the token of a link that `vox bridge login` has printed, and sets its cookie."""
        body: SignIn = call.body
        if not is_from_own_page(call.headers):  # else another site could sign an operator in as itself
            raise UsageError("Sign in on the bridge's own page.", code="forbidden")
        new = await self._sessions.sign_in(body.link)
        is_secure = call.header(b"origin").startswith("https:")
        cookie = set_cookie(new.token, SESSION_TTL_S, is_secure=is_secure)
        return _json({"expires_at_ms": new.session.expires_at_ms}, cookie)

    async def get_session(self, call: BridgeCall) -> Reply:
        """How long the session lasts that the request came with."""
        return _json({"expires_at_ms": _session(call)})

    async def sign_out(self, call: BridgeCall) -> Reply:
        """Ends the session that the request came with."""
        _session(call)
        await self._sessions.end(call.key.id)
        return Reply(204, headers={"set-cookie": set_cookie("", 0, is_secure=False), "cache-control": "no-store"})


def _session(call: BridgeCall) -> int:
    """When the session of a request ends, in Unix milliseconds."""
    if call.session is None:
        raise UsageError("The request has an API key and no session.", code="session_not_found")
    return call.session.expires_at_ms


def _json(body: object, cookie: str = "") -> Reply:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return Reply(200, msgspec.json.encode(body), headers | ({"set-cookie": cookie} if cookie else {}))
