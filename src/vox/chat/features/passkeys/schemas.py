"""Requests and responses of passkeys."""

from typing import Any

from msgspec import Struct


class ChallengeRequest(Struct):
    """Whose passkey; without a name, whichever one the device offers. `mfa_ticket` asks for a second factor instead of a login."""

    username: str | None = None
    mfa_ticket: str | None = None


class ChallengeIssued(Struct):
    """A challenge: `options` are PublicKeyCredentialRequestOptions in JSON."""

    challenge_id: str
    options: dict[str, Any]


class PasskeyLogin(Struct):
    """The answer to a login's challenge, each part in base64url; `user_handle` says whose passkey it is where no name was given."""

    challenge_id: str
    client_data_json: str
    authenticator_data: str
    signature: str
    credential_id: str
    username: str | None = None
    user_handle: str | None = None
    invite_code: str | None = None


class PasskeyInfo(Struct):
    """A passkey; times in Unix seconds."""

    credential_id: str
    name: str
    registered_at: int
    last_used_at: int | None


class PasskeyDone(Struct):
    """It is done."""

    success: bool
