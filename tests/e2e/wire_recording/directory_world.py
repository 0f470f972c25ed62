"""A relay directory under test, and keys that sign for relays."""

import base64
import contextlib
import hashlib
import json
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.e2e.wire_recording.processes import Running, started
from tests.e2e.wire_recording.values import Values
from tests.free_ports import free_port

ADMIN_KEY = "an-administrators-key-of-the-wire-recording"
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
ALICE = {"X-API-Key": "alices-key-of-the-wire-recording"}
BOB = {"X-API-Key": "bobs-key-of-the-wire-recording"}
API_KEYS = [{"name": "alice", "key": ALICE["X-API-Key"]}, {"name": "bob", "key": BOB["X-API-Key"]}]
BOOTSTRAP = [
    {"id": "lon", "url": "wss://lon.example.com", "lat": 51.5, "lon": -0.13, "region": "eu-west", "capacity": 5000},
    {
        "id": "nyc",
        "url": "wss://nyc.example.com",
        "lat": 40.71,
        "lon": -74.0,
        "region": "us-east",
        "public_key": "bnlj",
    },
]


def registration(number: int, **change: Any) -> dict[str, Any]:
    """The body of a registration; its address is on loopback, so that nothing is looked up."""
    place = {"latitude": -33.87, "longitude": 151.21, "region": "au"}
    return {"name": "Sydney", "url": f"ws://127.0.0.1:9/{number}", **place, "public_key": "c3lk", **change}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key of a relay."""

    private: Ed25519PrivateKey

    @classmethod
    def of(cls, seed: str) -> "SigningKey":
        """The key of 32 letters."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed.encode().ljust(32, b".")))

    @property
    def public(self) -> str:
        """The public half in base64."""
        return base64.b64encode(self.private.public_key().public_bytes_raw()).decode()

    def bare(self, message: str) -> str:
        """The signature of a text in base64."""
        return base64.b64encode(self.private.sign(message.encode())).decode()

    def signed(
        self, method: str, path: str, body: bytes, authority: str, *, nonce: str, age_s: int = 0
    ) -> dict[str, str]:
        """The headers that sign a request by RFC 9421."""
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        key_id = f"sha256:{hashlib.sha256(base64.b64decode(self.public)).hexdigest()}"
        before, _, query = path.partition("?")
        values = {
            "@method": method,
            "@path": before,
            "@query": f"?{query}",
            "content-digest": digest,
            "@authority": authority,
        }
        covered = " ".join(f'"{name}"' for name in values)
        created = int(time.time()) - age_s
        parameters = f'({covered});created={created};nonce="{nonce}";keyid="{key_id}";alg="ed25519"'
        lines = [f'"{name}": {value}' for name, value in values.items()]
        signature = self.bare("\n".join([*lines, f'"@signature-params": {parameters}']))
        return {"Content-Digest": digest, "Signature-Input": f"vox={parameters}", "Signature": f"vox=:{signature}:"}


@contextlib.contextmanager
def directory(vox: Path, folder: Path, config: Mapping[str, Any]) -> Generator[tuple[Running, Values]]:
    """A `vox directory` with two relays that it was given, and without probes."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "directory.json"
    values: dict[str, Any] = {
        "server": {"host": "127.0.0.1", "port": port},
        "database": {"path": str(folder / "data" / "relays.db")},
        "health_check": {"enabled": False},
        "outbound": {"allowed_private": ["127.0.0.0/8"]},
        "bootstrap_relays": BOOTSTRAP,
        "logs": {"level": "info", "json_lines": True},
        **config,
    }
    file.write_text(json.dumps(values))
    with started([str(vox), "directory", "--config", str(file)], port, folder) as running:
        running.wait_until_healthy("/_health")
        yield running, Values({f"127.0.0.1:{port}": "host"})
