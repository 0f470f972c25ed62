"""What the DNS says about a server: its keys, its policy and where it listens. Pure: takes the texts of records.

Records come from strangers, so each is read by itself and what cannot be read is left out.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vox.chat.federation.addresses import parse_domain
from vox.chat.federation.policy import Policy, read_policy
from vox.security.digests import base64_bytes

KEY_BYTES: Final = 32
MAX_KEYS: Final = 8
"""Keys of one server that are read: one in use, one before it and one after it are three."""
DEFAULT_PORT: Final = 443
_PREFIXED: Final = re.compile(r"ed25519:([A-Za-z0-9+/]{43}=?)(?![A-Za-z0-9+/=])")


@dataclass(frozen=True, slots=True)
class Service:
    """Where a server listens: an ASCII host name and a port, always https."""

    host: str
    port: int = DEFAULT_PORT


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """One SVCB record: priority 0 is an alias; `port` is None where the record names none."""

    priority: int
    target: str
    port: int | None = None


def key_text(public_key: str) -> str:
    """The TXT record that publishes a key at `_voxkey.<domain>`."""
    return f"v=vox1; k=ed25519; p={public_key}"


def keys_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The public keys of `_voxkey` records, base64, in their order; both `p=` and `ed25519:` are read."""
    found: dict[str, None] = {}
    for text in texts:
        fields = _fields(text)
        if fields.get("v", "vox1") != "vox1" or fields.get("k", "ed25519").lower() != "ed25519":
            continue
        given = [fields["p"]] if "p" in fields else _PREFIXED.findall(text)
        for one in given:
            key = _canonical(one.removeprefix("ed25519:"))
            if key is not None:
                found[key] = None
    return tuple(found)[:MAX_KEYS]


def policy_of(texts: Iterable[str]) -> Policy:
    """The policy that a server publishes at `_voxpolicy`; `open` without a record, `closed` for a value that is unknown."""
    for text in texts:
        value = _fields(text).get("federation")
        if value is not None:
            return read_policy(value) or "closed"
    return "open"


def service_of(records: Iterable[ServiceRecord], domain: str) -> Service:
    """Where to connect to for a domain: the target of the best usable SVCB record, else the domain itself at port 443.

    A target of `.` means the domain: the record's own name begins with an underscore, for which there is no certificate.
    """
    for record in sorted(records, key=lambda one: (one.priority, one.target)):
        host = domain if record.target in {".", ""} else parse_domain(record.target)
        if host is not None:
            port = DEFAULT_PORT if record.priority == 0 or record.port is None else record.port
            return Service(host, port or DEFAULT_PORT)
    return Service(domain)


def _fields(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def _canonical(text: str) -> str | None:
    raw = base64_bytes(text + "=" * (-len(text) % 4))
    return base64.b64encode(raw).decode("ascii") if raw is not None and len(raw) == KEY_BYTES else None
