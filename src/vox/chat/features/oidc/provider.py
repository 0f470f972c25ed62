"""An organisation's OpenID provider over the network: its metadata and keys, kept for a while, and the exchange of codes.

Every request goes through the guard with a deadline and a size; nothing of an answer is shown to a user.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final

from joserfc.jwk import KeySet

from vox.chat.config.settings import ChatSettings
from vox.chat.features.oidc import id_token
from vox.chat.features.oidc.id_token import Client, Metadata, UnknownKey, UntrustedAnswer
from vox.errors import DependencyError, UsageError
from vox.runtime.clock import Clock
from vox.security.outbound import OutboundGuard

DEADLINE_S: Final = 10.0
MAX_BYTES: Final = 262_144
KEPT_S: Final = 3600.0
RENEWED_AT_MOST_EVERY_S: Final = 60.0
"""How often an unknown key makes the keys be read again: a forged token may name any."""
OK: Final = 200
METADATA_PATH: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, as their provider knows them.

    Args:
        subject: never changes there.
        username: what they are called; empty where it does not say.
        display_name: their full name; empty where it does not say.
    """

    subject: str
    username: str
    display_name: str


class Provider:
    """The provider of the settings.

    Args:
        settings: name it, and this server's id there.
        clock: for what is kept.
    """

    def __init__(self, settings: ChatSettings, clock: Clock) -> None:
        private = [ip_network(each) for each in settings.oidc_allowed_private]
        schemes = frozenset({"https", "http"} if private else {"https"})
        self._guard = OutboundGuard(allowed_private=private, allowed_ports=None, allowed_schemes=schemes)
        self.issuer = settings.oidc_issuer
        self._clock = clock
        self._metadata: tuple[Metadata, float] | None = None
        self._keys: tuple[KeySet, float] | None = None

    async def metadata(self) -> Metadata:
        """Its endpoints, read at most once an hour.

        Raises:
            UntrustedAnswer: what it says is wrong.
            DependencyError: it cannot be reached.
        """
        kept = self._metadata
        if kept is not None and self._clock.now() < kept[1]:
            return kept[0]
        body = await self._fetch("GET", self.issuer.rstrip("/") + METADATA_PATH)
        found = id_token.read_metadata(body, self.issuer)
        self._metadata = found, self._clock.now() + KEPT_S
        return found

    async def identify(self, client: Client, *, code: str, code_verifier: str, nonce: str) -> Identity:
        """Exchanges a code for the person it stands for.

        Raises:
            UntrustedAnswer: the provider refuses the code, or its answer proves nothing.
            DependencyError: it cannot be reached.
        """
        metadata = await self.metadata()
        url, headers, body = id_token.token_request(metadata, client, code=code, code_verifier=code_verifier)
        tokens = id_token.read_tokens(await self._fetch("POST", url, headers, body))
        now_s = self._clock.unix_s()
        keys = await self._current_keys(metadata, KEPT_S)
        try:
            claims = id_token.check_id_token(tokens, keys, metadata, client, nonce=nonce, now_s=now_s)
        except UnknownKey:
            keys = await self._current_keys(metadata, RENEWED_AT_MOST_EVERY_S)
            claims = id_token.check_id_token(tokens, keys, metadata, client, nonce=nonce, now_s=now_s)
        subject = str(claims["sub"])
        if metadata.userinfo_endpoint and tokens.access_token and "preferred_username" not in claims:
            bearer = {"Authorization": f"Bearer {tokens.access_token}", "Accept": "application/json"}
            more = await self._fetch("GET", metadata.userinfo_endpoint, bearer)
            claims = {**id_token.read_userinfo(more, subject), **claims}
        return Identity(subject, _text(claims, "preferred_username", "nickname"), _text(claims, "name"))

    async def _current_keys(self, metadata: Metadata, max_age_s: float) -> KeySet:
        kept, now = self._keys, self._clock.now()
        if kept is not None and now < kept[1] + max_age_s:
            return kept[0]
        keys = await asyncio.to_thread(id_token.read_keys, await self._fetch("GET", metadata.jwks_uri))
        self._keys = keys, now
        return keys

    async def _fetch(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        try:
            answer = await self._guard.fetch(
                method, url, headers=headers, body=body, deadline_s=DEADLINE_S, max_bytes=MAX_BYTES
            )
        except UsageError as error:
            raise DependencyError(str(error), code="oidc_unreachable", hint=error.hint) from None
        if answer.status != OK:
            raise UntrustedAnswer(f"{method} {url.partition('?')[0]}: status {answer.status}")
        return answer.body


def new_secret() -> str:
    """A fresh state, nonce or code verifier: 43 characters that PKCE takes."""
    return secrets.token_urlsafe(32)


def _text(claims: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = claims.get(name)
        if isinstance(value, str) and value.strip():
            return value
    return ""
