"""Passkeys as the protocol has them: options for browsers, and whether what came back proves anything. Pure.

The library checks type, challenge, origin, domain, presence, verification and signature. What comes in is a stranger's: whatever it
makes the library raise is one refusal, `InvalidPasskey`.
"""

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from fido2 import cbor
from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.webauthn import (
    Aaguid,
    AttestationConveyancePreference,
    AttestedCredentialData,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
)

from vox.chat.events.ids import UserId
from vox.chat.identity.public_address import RelyingParty

TIMEOUT_MS: Final = 300_000
CHALLENGE_BYTES: Final = 32
ALGORITHMS: Final = (-7, -8, -257)
"""COSE numbers of ES256, EdDSA and RS256: what authenticators have."""
TRANSPORTS: Final = frozenset({"usb", "nfc", "ble", "hybrid", "internal", "smart-card"})
LONGEST_CREDENTIAL: Final = 1023
"""Bytes of a credential's id (WebAuthn, section 4)."""
USER_HANDLE_BYTES: Final = 8
_HOSTILE: Final = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OverflowError, RecursionError,
    NotImplementedError, struct.error, InvalidSignature, UnsupportedAlgorithm,
)  # fmt: skip
"""What parsing a stranger's bytes may raise in the library."""
_decode: Final[Any] = getattr(cbor, "decode")  # noqa: B009  untyped in the library


class InvalidPasskey(Exception):  # noqa: N818  what it is to the caller
    """What came back from the browser proves nothing; the text is for logs."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A passkey that an account has.

    Args:
        credential_id: base64url without padding.
        public_key: COSE in base64.
        sign_count: of its last use.
        transports: hints for browsers.
    """

    credential_id: str
    public_key: str
    sign_count: int
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a browser answers to a challenge; the texts are base64url."""

    challenge_id: str
    credential_id: str
    client_data_json: str
    authenticator_data: str
    signature: str
    user_handle: str | None = None


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a browser answers when a passkey is made."""

    challenge_id: str
    credential_id: str
    client_data_json: str
    attestation_object: str
    transports: tuple[str, ...] = ()


def creation_options(
    party: RelyingParty,
    challenge: bytes,
    *,
    server_name: str,
    user_id: UserId,
    username: str,
    display_name: str,
    existing: Sequence[Credential],
) -> dict[str, Any]:
    """PublicKeyCredentialCreationOptions in JSON: a discoverable passkey where the authenticator can keep one."""
    return {
        "rp": {"id": party.rp_id, "name": server_name},
        "user": {"id": encoded(user_handle(user_id)), "name": username, "displayName": display_name},
        "challenge": encoded(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in ALGORITHMS],
        "timeout": TIMEOUT_MS,
        "excludeCredentials": _descriptors(existing),
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "attestation": "none",
        "extensions": {"credProps": True},
    }


def request_options(
    party: RelyingParty, challenge: bytes, *, allowed: Sequence[Credential], must_verify_user: bool
) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptions in JSON; without allowed credentials the user chooses among those the device keeps."""
    return {
        "challenge": encoded(challenge),
        "timeout": TIMEOUT_MS,
        "rpId": party.rp_id,
        "allowCredentials": _descriptors(allowed),
        "userVerification": "required" if must_verify_user else "preferred",
    }


def check_attestation(party: RelyingParty, challenge: bytes, answer: Attestation) -> Credential:
    """The passkey that was made.

    Raises:
        InvalidPasskey: it was made for another challenge, origin or domain, or cannot be read.
    """
    client_data = _bytes(answer.client_data_json)
    response = {
        "rawId": encoded(_bytes(answer.credential_id)),
        "type": "public-key",
        "response": {
            "clientDataJSON": encoded(client_data),
            "attestationObject": encoded(_bytes(answer.attestation_object)),
        },
    }
    _assert_own_frame(client_data)
    try:
        state = _state(challenge, must_verify_user=False)
        made = _server(party).register_complete(state, response).credential_data
        if made is None or made.credential_id != _bytes(answer.credential_id):
            raise InvalidPasskey("the credential's ids differ")
        if made.public_key.ALGORITHM not in ALGORITHMS or not 0 < len(made.credential_id) <= LONGEST_CREDENTIAL:
            raise InvalidPasskey("its algorithm was not asked for")
        public_key = cbor.encode(dict(made.public_key))
    except _HOSTILE as error:
        raise InvalidPasskey(type(error).__name__) from error
    return Credential(encoded(made.credential_id), encoded(public_key), 0, answer.transports)


def check_assertion(
    party: RelyingParty, challenge: bytes, credential: Credential, answer: Assertion, *, must_verify_user: bool
) -> int:
    """Checks a signature over a challenge.

    Returns:
        The passkey's sign count now.

    Raises:
        InvalidPasskey: it is for another challenge, origin, domain or passkey, the user was not verified where that is demanded, or the
            count went back, as that of a copied passkey does.
    """
    client_data = _bytes(answer.client_data_json)
    authenticator_data = _bytes(answer.authenticator_data)
    response = {
        "rawId": encoded(_bytes(credential.credential_id)),
        "type": "public-key",
        "response": {
            "clientDataJSON": encoded(client_data),
            "authenticatorData": encoded(authenticator_data),
            "signature": encoded(_bytes(answer.signature)),
        },
    }
    _assert_own_frame(client_data)
    try:
        key = CoseKey.parse(_decode(_bytes(credential.public_key)))
        known = AttestedCredentialData.create(Aaguid.NONE, _bytes(credential.credential_id), key)
        state = _state(challenge, must_verify_user=must_verify_user)
        _server(party).authenticate_complete(state, [known], response)
        (count,) = struct.unpack(">I", authenticator_data[33:37])
    except _HOSTILE as error:
        raise InvalidPasskey(type(error).__name__) from error
    if credential.sign_count and count <= credential.sign_count:
        raise InvalidPasskey("the sign count went back")
    return count


def read_assertion(value: Mapping[str, Any]) -> Assertion:
    """An assertion from JSON: flat with underscores, or as `PublicKeyCredential.toJSON()` gives it with `challenge_id` beside.

    Raises:
        InvalidPasskey: a field is missing or no text.
    """
    response = _response(value)
    user_handle = value.get("user_handle") or response.get("userHandle")
    return Assertion(
        _text(value, "challenge_id"),
        _text(value, "credential_id", "id", "rawId"),
        _text(response, "client_data_json", "clientDataJSON"),
        _text(response, "authenticator_data", "authenticatorData"),
        _text(response, "signature"),
        user_handle if isinstance(user_handle, str) else None,
    )


def read_attestation(value: Mapping[str, Any]) -> Attestation:
    """An attestation from JSON, in the same two forms.

    Raises:
        InvalidPasskey: a field is missing or no text.
    """
    response = _response(value)
    given = response.get("transports")
    listed = cast("list[Any]", given) if isinstance(given, list) else []
    transports = tuple(dict.fromkeys(each for each in listed if isinstance(each, str) and each in TRANSPORTS))
    return Attestation(
        _text(value, "challenge_id"),
        _text(value, "credential_id", "id", "rawId"),
        _text(response, "client_data_json", "clientDataJSON"),
        _text(response, "attestation_object", "attestationObject"),
        transports,
    )


def user_handle(user_id: UserId) -> bytes:
    """What authenticators know an account by: its id, eight bytes."""
    return user_id.to_bytes(USER_HANDLE_BYTES, "big")


def encoded(data: bytes) -> str:
    """Bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def same_id(one: str, other: str) -> bool:
    """Whether two texts name the same credential, in whichever base64."""
    return _bytes(one) == _bytes(other)


def canonical_id(text: str) -> str:
    """A credential's id as it is stored.

    Raises:
        InvalidPasskey: it is no base64.
    """
    return encoded(_bytes(text))


def _bytes(text: str) -> bytes:
    """Strictly decoded base64 of either alphabet, padded or not; an original stored padded ones."""
    try:
        plain = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidPasskey("not base64") from error


def _server(party: RelyingParty) -> Any:
    """The library's checks; untyped where the library is."""
    return Fido2Server(
        PublicKeyCredentialRpEntity(name=party.rp_id, id=party.rp_id),
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=party.origins.__contains__,
    )


def _state(challenge: bytes, *, must_verify_user: bool) -> dict[str, Any]:
    verification = UserVerificationRequirement.REQUIRED if must_verify_user else UserVerificationRequirement.PREFERRED
    return {"challenge": encoded(challenge), "user_verification": verification}


def _assert_own_frame(client_data: bytes) -> None:
    """The library ignores that a page of another site embeds the one that asks."""
    try:
        is_foreign = CollectedClientData(client_data).cross_origin
    except _HOSTILE as error:
        raise InvalidPasskey(type(error).__name__) from error
    if is_foreign:
        raise InvalidPasskey("the page was embedded in one of another origin")


def _descriptors(credentials: Sequence[Credential]) -> list[dict[str, Any]]:
    return [
        {"type": "public-key", "id": each.credential_id}
        | ({"transports": list(each.transports)} if each.transports else {})
        for each in credentials
    ]


def _response(value: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = value.get("response")
    return cast("Mapping[str, Any]", inner) if isinstance(inner, dict) else value


def _text(value: Mapping[str, Any], *names: str) -> str:
    for name in names:
        found = value.get(name)
        if isinstance(found, str) and found:
            return found
    raise InvalidPasskey(f"{names[0]} is missing")


def transports_text(transports: Sequence[str]) -> str | None:
    """Transports as they are stored."""
    return json.dumps(list(transports)) if transports else None


def transports_of(text: str | None) -> tuple[str, ...]:
    """Stored transports."""
    return tuple(json.loads(text)) if text else ()
