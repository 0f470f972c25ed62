"""Tokens that let people, agents and callers into media rooms, and servers into the rooms' API: JWT, HS256, LiveKit's claims.

A token is all that a relay knows of its holder, so it says everything: which room, which identity, what may be published. The checker
names the keys that it trusts, and the token only says which of them signed it; it never chooses how it is checked.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from vox.errors import UsageError
from vox.security.digests import hmac_digest, is_equal

Source = Literal["camera", "microphone", "screen_share", "screen_share_audio"]
SOURCES: Final[tuple[Source, ...]] = ("camera", "microphone", "screen_share", "screen_share_audio")
LEEWAY_S: Final = 10.0
"""How far two machines' clocks may differ."""
MAX_TOKEN_BYTES: Final = 65_536
MAX_IDENTITY_CHARS: Final = 256
MAX_ROOM_CHARS: Final = 256

_HEAD: Final = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
_NO_SECRET: Final = "0" * 32  # signed against for keys that are unknown, so that they take as long as known ones


class VideoGrant(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What the holder may do in rooms. What is None was not said; the `may_…` methods know what then holds."""

    room: str = ""
    room_join: bool = False
    room_create: bool = False
    room_list: bool = False
    room_admin: bool = False
    room_record: bool = False
    ingress_admin: bool = False
    can_publish: bool | None = None
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: tuple[str, ...] = ()
    can_update_own_metadata: bool | None = None
    can_subscribe_metrics: bool | None = None
    can_manage_agent_session: bool | None = None
    hidden: bool = False
    recorder: bool = False
    agent: bool = False
    destination_room: str = ""

    def may_publish(self, source: str = "") -> bool:
        """Whether a track may be published; of this source, where one is named (`unknown` counts as one of its own)."""
        allowed = self.can_publish is not False
        return allowed and (not source or not self.can_publish_sources or source in self.can_publish_sources)

    def may_subscribe(self) -> bool:
        """Whether others' tracks may be received."""
        return self.can_subscribe is not False

    def may_publish_data(self) -> bool:
        """Whether data may be sent; where nothing is said of it, those who may publish may."""
        return self.may_publish() if self.can_publish_data is None else self.can_publish_data

    def may_update_own_metadata(self) -> bool:
        """Whether name, metadata and attributes may be changed by their holder."""
        return self.can_update_own_metadata is True


class SipGrant(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What the holder may do with telephony."""

    admin: bool = False
    call: bool = False


class RoomClaims(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a token says. Key and times are written by `sign_room_token`.

    Attributes:
        iss: the API key that signed.
        sub: the holder's identity, unique in the room.
        exp: seconds since 1970.
        nbf: seconds since 1970, or None.
        kind: standard, agent, sip, ingress or egress; empty is standard.
        sha256: SHA-256 of a body in base64, in the tokens of webhooks.
        room_config: how the room is made if it is not there, among it the agents to send for; as JSON.
    """

    iss: str = ""
    sub: str = ""
    exp: float | None = None
    nbf: float | None = None
    iat: float | None = None
    jti: str = ""
    name: str = ""
    kind: str = ""
    metadata: str = ""
    attributes: dict[str, str] = {}
    sha256: str = ""
    room_preset: str = ""
    room_config: dict[str, Any] | None = None
    video: VideoGrant = VideoGrant()
    sip: SipGrant = SipGrant()


@dataclass(frozen=True, slots=True)
class RoomKey:
    """An API key and its secret, as relay, chat and agents share them."""

    key: str
    secret: str = field(repr=False)


_OBJECTS: Final = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


def sign_room_token(key: RoomKey, claims: RoomClaims, *, now: float, lifetime_s: float) -> str:
    """A token with these claims, valid from now.

    Args:
        key: signs, and is named in `iss`.
        claims: what the token says.
        now: seconds since 1970.
        lifetime_s: how long one may join with it, in seconds; being in a room outlasts it.

    Raises:
        UsageError: a key without a secret or name, or a token for joining without room or identity (bad_room_token).
    """
    if not key.key or not key.secret:
        raise _refused("there is no key to sign it with")
    if claims.video.room_join:
        _check_names(claims)
    said = msgspec.structs.replace(claims, iss=key.key, nbf=int(now), exp=int(now + lifetime_s))
    text = f"{_HEAD}.{_encoded(_ENCODER.encode(said))}"
    return f"{text}.{_encoded(hmac_digest(key.secret, text, 'sha256'))}"


def read_room_token(token: str, keys: Mapping[str, str], *, now: float, leeway_s: float = LEEWAY_S) -> RoomClaims:
    """The claims of a token that one of these keys signed and that holds now.

    Args:
        token: three base64url parts.
        keys: API keys and their secrets.
        now: seconds since 1970.
        leeway_s: how far the signer's clock may differ.

    Raises:
        UsageError: `room_token_expired` for one that is over; `bad_room_token` for every other: malformed, too large, of another
            algorithm, of an unknown key, with a wrong signature, not valid yet, without a date, or for joining without room or identity.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise _refused("it is too large")
    try:
        head, payload, signature = token.split(".")
        header = _OBJECTS.decode(_decoded(head))
        claims = msgspec.convert(_without_nulls(_OBJECTS.decode(_decoded(payload))), RoomClaims)
        given = _decoded(signature)
    except (ValueError, RecursionError):  # msgspec's, base64's and Unicode's errors are ValueErrors
        raise _refused("it is malformed") from None
    if header.get("alg") != "HS256":
        raise _refused("it is not of the algorithm HS256")
    secret = keys.get(claims.iss) or ""
    signed = is_equal(hmac_digest(secret or _NO_SECRET, f"{head}.{payload}", "sha256"), given)
    if not secret or not signed:
        raise _refused("its key is unknown or its signature does not match")
    if claims.exp is None:
        raise _refused("it does not say when it ends")
    if claims.exp + leeway_s <= now:
        raise UsageError("The room token has expired.", code="room_token_expired", hint="ask for a new one")
    if claims.nbf is not None and claims.nbf - leeway_s > now:
        raise _refused("it is not valid yet")
    if claims.video.room_join:
        _check_names(claims)
    return claims


def _without_nulls(said: dict[str, Any]) -> dict[str, Any]:
    """What was said; some signers write null for what they leave out."""
    grants = {name: _without_nulls(said[name]) for name in ("video", "sip") if isinstance(said.get(name), dict)}
    return {name: value for name, value in (said | grants).items() if value is not None}


def _check_names(claims: RoomClaims) -> None:
    if not 0 < len(claims.sub) <= MAX_IDENTITY_CHARS:
        raise _refused(f"its identity has not 1 to {MAX_IDENTITY_CHARS} characters")
    if len(claims.video.room) > MAX_ROOM_CHARS:
        raise _refused(f"its room has more than {MAX_ROOM_CHARS} characters")


def _refused(why: str) -> UsageError:
    return UsageError(f"The room token is refused: {why}.", code="bad_room_token")


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    if not text or "=" in text or "+" in text or "/" in text:
        raise ValueError(text)
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _encoded(data) != text:  # one text for one value: no spare bits, no characters that decoders skip
        raise ValueError(text)
    return data
