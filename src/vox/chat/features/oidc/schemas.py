"""Requests and responses of logins at an organisation's provider."""

from typing import Annotated

from msgspec import Meta, Struct

Challenge = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]
Verifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]{43,128}$")]


class Begin(Struct):
    """Begins a login: `challenge` is the SHA-256 in base64url of a `verifier` that the client keeps; `return_to` is its own page."""

    challenge: Challenge
    return_to: str | None = None


class Begun(Struct):
    """Where the browser logs in."""

    authorization_url: str


class CallbackQuery(Struct):
    """What the provider sends a browser back with."""

    state: str = ""
    code: str = ""
    error: str = ""
    iss: str = ""


class Finish(Struct):
    """Finishes a login: the ticket of the page's fragment, and the verifier that it was begun with."""

    oidc_ticket: str
    verifier: Verifier
    invite_code: str | None = None


class AccountLink(Struct):
    """Whether the caller's account is linked to the provider."""

    is_linked: bool
