"""Where the community is reached from outside, as far as its settings say, and which passkeys belong there."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import ChatSettings
from vox.security.addresses import parse_address

_LOCAL: Final = "localhost"
_DEFAULT_GATEWAY: Final = str(ChatSettings.model_fields["gateway_url"].default)


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """What passkeys are bound to.

    Args:
        rp_id: a domain.
        origins: the web origins that they may be used from, exact.
    """

    rp_id: str
    origins: tuple[str, ...]


def public_origin(config: Config) -> str | None:
    """The origin of the public address that clients are given, such as https://chat.example.com; None where none is set."""
    gateway = config.get("gateway_url")
    if gateway == _DEFAULT_GATEWAY:
        return None
    parts = urlsplit(gateway)
    if parts.scheme not in {"ws", "wss"} or not parts.netloc:
        return None
    return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc.lower()}"


def relying_party(config: Config) -> RelyingParty | None:
    """What passkeys are bound to by the settings, else by the public address; None where neither gives a secure origin.

    Browsers make passkeys for domains only, on https or on localhost: an IP address or plain http is not configured.
    """
    given = [origin.strip().rstrip("/") for origin in config.get("webauthn_origin").split(",") if origin.strip()]
    rp_id = config.get("webauthn_rp_id").strip().lower()
    if not given and rp_id:
        given = [f"https://{rp_id}"]
    if not given:
        origin = public_origin(config)
        given = [origin] if origin is not None and _is_secure(origin) else []
    if not given:
        return None
    return RelyingParty(rp_id or urlsplit(given[0]).hostname or "", tuple(given))


def _is_secure(origin: str) -> bool:
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if parse_address(host) is not None:
        return False
    return parts.scheme == "https" or host == _LOCAL or host.endswith(f".{_LOCAL}")
