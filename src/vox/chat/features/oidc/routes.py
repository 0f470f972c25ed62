"""Logins by an organisation's OpenID provider; off without VOX_OIDC_ISSUER. The libraries it needs are loaded with the first of them."""

from typing import cast

from vox.chat.api.access import PUBLIC, USER
from vox.chat.api.request import Call, Reply, RouteTable
from vox.chat.context import ChatContext
from vox.chat.errors import refuse
from vox.chat.features.auth.gate import arrival_of
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.oidc.contract import OidcLogin
from vox.chat.features.oidc.schemas import AccountLink, Begin, Begun, CallbackQuery, Finish

routes = RouteTable()


@routes.post("/auth/oidc/start", access=PUBLIC, body=Begin, returns=Begun)
async def begin_login(call: Call[Begin]) -> Begun:
    """Begins a login at the organisation's provider."""
    return Begun(await _oidc(call.chat).begin(call.body, "login"))


@routes.get("/auth/oidc/callback", access=PUBLIC, query=CallbackQuery, returns=bytes, status=303)
async def come_back(call: Call[None, CallbackQuery]) -> Reply:
    """Takes browsers back from the provider, and sends them to the client's page with `#oidc_ticket=` or `#oidc_error=`."""
    page = await _oidc(call.chat).come_back(call.query)
    return Reply(303, b"", {"location": page, "referrer-policy": "no-referrer"})


@routes.post("/auth/login/oidc", access=PUBLIC, body=Finish, returns=LoggedIn)
async def finish_login(call: Call[Finish]) -> LoggedIn:
    """Returns a token for the ticket of the page's fragment, to the client that began the login."""
    return await _oidc(call.chat).finish(call.body, arrival_of(call, call.body))


@routes.get("/auth/oidc/link", access=USER, returns=AccountLink)
async def get_link(call: Call) -> AccountLink:
    """Tells whether the caller's account is linked to the provider."""
    return AccountLink(await _oidc(call.chat).is_linked(call.user_id))


@routes.post("/auth/oidc/link/start", access=USER.fresh(), body=Begin, returns=Begun)
async def begin_link(call: Call[Begin]) -> Begun:
    """Begins to link the caller's account to the provider."""
    return Begun(await _oidc(call.chat).begin(call.body, "link", call.user_id))


@routes.post("/auth/oidc/link", access=USER, body=Finish)
async def link(call: Call[Finish]) -> None:
    """Links the caller's account to who has come back from the provider."""
    await _oidc(call.chat).link(call.body, call.user_id)


@routes.delete("/auth/oidc/link", access=USER.fresh())
async def unlink(call: Call) -> None:
    """Ends the link of the caller's account, which has a password."""
    await _oidc(call.chat).unlink(call.user_id)


def _oidc(chat: ChatContext) -> OidcLogin:
    if chat.oidc is None:
        raise refuse("OIDC_NOT_CONFIGURED", "This server has no login by an organisation's provider.")
    return cast("OidcLogin", chat.oidc)
