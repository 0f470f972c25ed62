"""Keys, signatures and registrations, as relays and operators send them."""

import json
from typing import Any

from tests.fakes.clock import EPOCH
from tests.unit.directory.harness import SYDNEY
from vox.security.http_signatures import KeyPair, new_nonce, sign

KEYS = {
    "access": {
        "mode": "keys",
        "admin_key": "admin-0123456789abcdef",
        "api_keys": [
            {"name": "alice", "key": "alice-0123456789abcdef"},
            {"name": "bob", "key": "bob-0123456789abcdef"},
        ],
    }
}
SIGNED = {"access": {"mode": "signed", "admin_key": "admin-0123456789abcdef"}}
AUTHORITY = "directory.test"


def bearer(key: str) -> dict[str, str]:
    """The header of an API key of `KEYS`, named by its owner."""
    return {"authorization": f"Bearer {key}-0123456789abcdef"}


def signed(
    pair: KeyPair,
    method: str,
    path: str,
    body: Any = None,
    *,
    age_s: int = 0,
    nonce: str = "",
    authority: str = AUTHORITY,
) -> dict[str, Any]:
    """The arguments of a signed request."""
    content = b"" if body is None else json.dumps(body).encode()
    created = int(EPOCH.timestamp()) - age_s
    headers = sign(
        method,
        path,
        content,
        created=created,
        nonce=nonce or new_nonce(),
        private_key=pair.private,
        authority=authority,
    )
    return {"method": method, "url": path, "content": content, "headers": headers}


def registration(pair: KeyPair, **change: Any) -> dict[str, Any]:
    """A relay's signed registration of itself; Sydney unless changed."""
    return signed(pair, "POST", "/v1/relays/register", {**SYDNEY, "signing_key": pair.public, **change})
