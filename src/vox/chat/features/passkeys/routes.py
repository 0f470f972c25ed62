"""Passkeys: log in by one alone, list and remove them. They are made at /auth/2fa/setup."""

from functools import partial

from vox.chat.api.access import PUBLIC, USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.features.auth.gate import arrival_of
from vox.chat.features.auth.schemas import LoggedIn
from vox.chat.features.passkeys import service
from vox.chat.features.passkeys.schemas import ChallengeIssued, ChallengeRequest, PasskeyDone, PasskeyInfo, PasskeyLogin
from vox.chat.identity.factor_queries import list_credentials

routes = RouteTable()


@routes.post("/auth/login/webauthn/challenge", access=PUBLIC, body=ChallengeRequest, returns=ChallengeIssued)
async def begin_login(call: Call[ChallengeRequest]) -> ChallengeIssued:
    """Returns a challenge for a passkey: of a named account, of whichever the device offers, or for the second half of a login."""
    return await service.begin_login(call.chat, call.body)


@routes.post("/auth/login/webauthn", access=PUBLIC, body=PasskeyLogin, returns=LoggedIn)
async def log_in(call: Call[PasskeyLogin]) -> LoggedIn:
    """Returns a token for the answer of a passkey whose device has verified its user; no password is asked."""
    return await service.log_in(call.chat, call.body, arrival_of(call, call.body))


@routes.get("/auth/webauthn/credentials", access=USER, returns=list[PasskeyInfo])
async def list_passkeys(call: Call) -> list[PasskeyInfo]:
    """Lists the caller's passkeys, oldest first."""
    stored = await call.chat.read(partial(list_credentials, user_id=call.user_id))
    return [
        PasskeyInfo(each.credential.credential_id, each.name, each.registered_at, each.last_used_at) for each in stored
    ]


@routes.delete("/auth/webauthn/credentials/{credential_id}", access=USER.fresh(), returns=PasskeyDone)
async def remove_passkey(call: Call) -> PasskeyDone:
    """Removes one of the caller's passkeys."""
    await service.remove(call.chat, user_id=call.user_id, credential_id=call.text("credential_id"))
    return PasskeyDone(success=True)
