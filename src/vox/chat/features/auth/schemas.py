"""Requests and responses of accounts and logins."""

from msgspec import Struct


class Registration(Struct):
    """A new account; `invite_code` and `setup_token` where registration is not open."""

    username: str
    password: str
    display_name: str | None = None
    invite_code: str | None = None
    setup_token: str | None = None


class Registered(Struct):
    """A new account and its first token."""

    user_id: int
    token: str


class Credentials(Struct):
    """Name and password; `invite_code` lets a user who was kicked or left rejoin."""

    username: str
    password: str
    invite_code: str | None = None


class LoggedIn(Struct):
    """A new token; `roles` without @everyone."""

    token: str
    user_id: int
    display_name: str
    roles: list[int]


class LoginMethods(Struct):
    """What the server allows: `registration` is open, invite or closed; `organisation` is the provider's name, null without one."""

    registration: str
    password: bool
    passkeys: bool
    organisation: str | None


class PasswordChange(Struct):
    """The current and the new password."""

    current_password: str
    new_password: str


class SessionInfo(Struct):
    """One login of the caller; times in Unix seconds. `method` is how it began, such as password or password+totp."""

    session_id: int
    created_at: int
    expires_at: int
    last_used_at: int | None
    client: str | None
    method: str
    is_current: bool


class SessionList(Struct):
    """The caller's logins, newest first."""

    sessions: list[SessionInfo]
