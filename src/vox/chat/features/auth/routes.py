"""Accounts and logins: register, log in, log out, list and end logins, change the password."""

from functools import partial

from vox.chat.api.access import PUBLIC, USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.features.auth import queries, service
from vox.chat.features.auth.gate import arrival_of
from vox.chat.features.auth.schemas import (
    Credentials,
    LoggedIn,
    LoginMethods,
    PasswordChange,
    Registered,
    Registration,
    SessionList,
)

routes = RouteTable()


@routes.post("/auth/register", access=PUBLIC, body=Registration, status=201, returns=Registered)
async def register(call: Call[Registration]) -> Registered:
    """Creates an account, where VOX_REGISTRATION allows it; with open registration the first account is administrator."""
    return await service.register(call.chat, call.body, arrival_of(call).client)


@routes.post("/auth/login", access=PUBLIC, body=Credentials, returns=LoggedIn)
async def login(call: Call[Credentials]) -> LoggedIn:
    """Returns a token for name and password; a valid invite lets a user who was kicked or left rejoin with it."""
    return await service.log_in(call.chat, call.body, arrival_of(call, call.body))


@routes.get("/auth/methods", access=PUBLIC, returns=LoginMethods)
async def list_methods(call: Call) -> LoginMethods:
    """Tells how one may register and log in here, so that clients show only that."""
    return service.login_methods(call.chat)


@routes.post("/auth/logout", access=USER)
async def logout(call: Call) -> None:
    """Ends the login of the token in use."""
    await call.chat.change(partial(service.end_session, user_id=call.user_id, session_id=call.session_id))


@routes.get("/auth/sessions", access=USER, returns=SessionList)
async def list_sessions(call: Call) -> SessionList:
    """Lists the caller's logins, newest first."""
    now_s = call.chat.clock.unix_s()
    rows = await call.chat.read(partial(queries.list_sessions, user_id=call.user_id, now_s=now_s))
    for row in rows:
        row.is_current = row.session_id == call.session_id
    return SessionList(rows)


@routes.delete("/auth/sessions/{session_id}", access=USER)
async def revoke_session(call: Call) -> None:
    """Ends one of the caller's logins and closes its sockets."""
    await call.chat.change(partial(service.end_session, user_id=call.user_id, session_id=call.id("session_id")))


@routes.delete("/auth/sessions", access=USER)
async def revoke_other_sessions(call: Call) -> None:
    """Ends all of the caller's logins but the one in use, and closes their sockets."""
    await call.chat.change(partial(service.end_other_sessions, user_id=call.user_id, kept=call.session_id))


@routes.post("/auth/password", access=USER.fresh(), body=PasswordChange)
async def change_password(call: Call[PasswordChange]) -> None:
    """Replaces the password and ends all other logins."""
    await service.change_password(call.chat, call.body, user_id=call.user_id, session_id=call.session_id)
