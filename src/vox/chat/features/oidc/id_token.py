"""What an organisation's provider says about a person, believed only as far as its signature and claims go.

Requests are built and answers judged by Authlib and joserfc, without a socket of theirs: every request leaves through the guard.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2 import auth, rfc7636
from authlib.oauth2.rfc6749 import parameters
from authlib.oidc.core import claims
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Signatures with a public key; never `none`, nor a secret shared with the provider."""
LEEWAY_S: Final = 60
# Authlib has no types; what is used of it is named here.
_prepare_grant_uri: Final[Any] = getattr(parameters, "prepare_grant_uri")  # noqa: B009
_prepare_token_request: Final[Any] = getattr(parameters, "prepare_token_request")  # noqa: B009
_create_s256_code_challenge: Final[Any] = getattr(rfc7636, "create_s256_code_challenge")  # noqa: B009
_ClientAuth: Final[Any] = auth.ClientAuth
_CodeIDToken: Final[Any] = claims.CodeIDToken
LONGEST_SUBJECT: Final = 255


class UntrustedAnswer(Exception):  # noqa: N818  what it is to the caller
    """The provider's answer proves nothing; the text is for logs."""


class UnknownKey(UntrustedAnswer):
    """It is signed with a key that was not published when the keys were last read."""


class Metadata(msgspec.Struct, frozen=True):
    """The part of a provider's metadata that is used (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Tokens(msgspec.Struct, frozen=True):
    """A token endpoint's answer."""

    id_token: str
    access_token: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """This server at the provider.

    Args:
        client_id: its id there.
        secret: its secret; empty for a public client.
        redirect_url: where browsers are sent back, exactly as registered.
        scopes: separated by spaces.
    """

    client_id: str
    secret: str
    redirect_url: str
    scopes: str


def s256(verifier: str) -> str:
    """The challenge of a PKCE verifier (RFC 7636, S256)."""
    return str(_create_s256_code_challenge(verifier))


def read_metadata(body: bytes, issuer: str) -> Metadata:
    """A provider's metadata.

    Raises:
        UntrustedAnswer: it is another issuer's, or an endpoint is in clear where the issuer is not.
    """
    try:
        found = msgspec.json.decode(body, type=Metadata)
    except msgspec.MsgspecError as error:
        raise UntrustedAnswer(f"metadata: {error}") from None
    if found.issuer.rstrip("/") != issuer.rstrip("/"):
        raise UntrustedAnswer(f"metadata of another issuer: {found.issuer[:200]!r}")
    scheme = issuer.partition(":")[0]
    for endpoint in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint):
        if endpoint and not endpoint.startswith((f"{scheme}://", "https://")):
            raise UntrustedAnswer("an endpoint is not encrypted")
    return found


def read_keys(body: bytes) -> KeySet:
    """A provider's public keys.

    Raises:
        UntrustedAnswer: they cannot be read.
    """
    try:
        return KeySet.import_key_set(msgspec.json.decode(body))
    except (msgspec.MsgspecError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UntrustedAnswer(f"keys: {type(error).__name__}") from None


def authorization_url(metadata: Metadata, client: Client, *, state: str, nonce: str, code_verifier: str) -> str:
    """Where the browser goes to log in."""
    return _prepare_grant_uri(
        metadata.authorization_endpoint,
        client.client_id,
        "code",
        redirect_uri=client.redirect_url,
        scope=client.scopes,
        state=state,
        nonce=nonce,
        code_challenge=s256(code_verifier),
        code_challenge_method="S256",
    )


def token_request(
    metadata: Metadata, client: Client, *, code: str, code_verifier: str
) -> tuple[str, dict[str, str], bytes]:
    """Address, headers and body of the request that exchanges a code."""
    body = _prepare_token_request(
        "authorization_code", redirect_uri=client.redirect_url, code=code, code_verifier=code_verifier
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    supported = metadata.token_endpoint_auth_methods_supported
    if not client.secret:
        client_auth = _ClientAuth(client.client_id, "", "none")
    elif "client_secret_basic" in supported or "client_secret_post" not in supported:
        # RFC 6749, section 2.3.1: both halves are form-encoded first.
        client_auth = _ClientAuth(
            quote(client.client_id, safe=""), quote(client.secret, safe=""), "client_secret_basic"
        )
    else:
        client_auth = _ClientAuth(client.client_id, client.secret, "client_secret_post")
    uri, made, text = cast(
        "tuple[str, dict[str, str], str]", client_auth.prepare("POST", metadata.token_endpoint, headers, body)
    )
    return uri, made, text.encode()


def read_tokens(body: bytes) -> Tokens:
    """What the token endpoint answered.

    Raises:
        UntrustedAnswer: there is no ID token in it.
    """
    try:
        return msgspec.json.decode(body, type=Tokens)
    except msgspec.MsgspecError as error:
        raise UntrustedAnswer(f"tokens: {error}") from None


def check_id_token(
    tokens: Tokens, keys: KeySet, metadata: Metadata, client: Client, *, nonce: str, now_s: int
) -> dict[str, Any]:
    """The claims of an ID token that was made by this provider, for this client and this login, lately.

    Raises:
        UnknownKey: its key is not among these.
        UntrustedAnswer: it is anything else.
    """
    options: Any = {
        "iss": {"essential": True, "value": metadata.issuer},
        "aud": {"essential": True, "value": client.client_id},
    }
    params = {"nonce": nonce, "client_id": client.client_id, "access_token": tokens.access_token}
    try:
        token = jwt.decode(tokens.id_token, keys, algorithms=list(ALGORITHMS))
        _CodeIDToken(token.claims, token.header, options, params).validate(now=now_s, leeway=LEEWAY_S)
    except InvalidKeyIdError as error:
        raise UnknownKey(str(error)) from None
    except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UntrustedAnswer(f"ID token: {type(error).__name__}: {error}"[:300]) from None
    subject = token.claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or "\0" in subject:
        raise UntrustedAnswer("ID token: it names no person")
    return dict(token.claims)


def read_userinfo(body: bytes, subject: str) -> Mapping[str, Any]:
    """Further claims, of the same person.

    Raises:
        UntrustedAnswer: they are another person's, or cannot be read.
    """
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise UntrustedAnswer(f"user info: {error}") from None
    if said.get("sub") != subject:
        raise UntrustedAnswer("user info of another person")
    return said
