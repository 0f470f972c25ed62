"""Requests and responses of second factors."""

from typing import Any, Literal

from msgspec import Struct


class SecondHalf(Struct):
    """The second half of a login: `code` for totp and recovery, `assertion` for webauthn; `invite_code` as at the first half."""

    mfa_ticket: str
    method: str
    code: str | None = None
    assertion: dict[str, Any] | None = None
    invite_code: str | None = None


class FactorStatus(Struct):
    """What the caller has."""

    totp_enabled: bool
    webauthn_enabled: bool
    recovery_codes_left: int


class SetupRequest(Struct):
    """Which factor: totp or webauthn."""

    method: str


class Setup(Struct):
    """What to put into an authenticator. For totp the secret and its address, for webauthn options of `navigator.credentials.create`."""

    setup_id: str
    method: Literal["totp", "webauthn"]
    totp_secret: str | None = None
    totp_uri: str | None = None
    creation_options: dict[str, Any] | None = None


class SetupConfirmation(Struct):
    """That the authenticator works: its present code, or its attestation with `challenge_id`."""

    setup_id: str
    code: str | None = None
    attestation: dict[str, Any] | None = None
    credential_name: str | None = None


class Confirmed(Struct):
    """The factor holds. The recovery codes are shown this once; none where there are some already."""

    success: bool
    recovery_codes: list[str]


class Proof(Struct):
    """Which factor, and proof of one: a code of the application or a recovery code, or a passkey's assertion."""

    method: str
    code: str | None = None
    assertion: dict[str, Any] | None = None


class FreshLogin(Struct):
    """Until when the login is fresh, in Unix seconds."""

    fresh_until: int


class RecoveryCodes(Struct):
    """The new codes; the old ones are void."""

    recovery_codes: list[str]
