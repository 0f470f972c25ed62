"""Servers that federate within this process: a DNS in a dictionary, and a network whose faults a test chooses.

Requests go through the whole of the other server, from its front door; only TLS and the look-up of hosts are missing here, and
`tests/e2e/test_chat_federation.py` has those.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.contract.chat.harness import Person, Rig, community
from tests.time_limits import WAIT_S, time_limit
from vox.chat.context import Parts
from vox.chat.federation import signing
from vox.chat.federation.dns_records import ServiceRecord, key_text
from vox.chat.federation.service import Federation, Outside
from vox.chat.federation.signing import Identity
from vox.errors import DependencyError
from vox.runtime.clock import Clock, SystemClock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.security.http_signatures import KeyPair, new_key_pair, new_nonce
from vox.security.outbound import FetchResult

FEDERATION = "/api/v1/federation"
NO_LIES: Mapping[str, Any] = {}


@dataclass(slots=True)
class Internet:
    """Names, servers and what goes wrong between them."""

    texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    hosts: dict[str, Any] = field(default_factory=dict[str, Any])
    away: set[str] = field(default_factory=set[str])
    loses_answers: int = 0
    sent: list[tuple[str, str, str, bytes]] = field(default_factory=list[tuple[str, str, str, bytes]])
    captured: list[tuple[str, str, dict[str, str], bytes]] = field(
        default_factory=list[tuple[str, str, dict[str, str], bytes]]
    )
    questions: int = 0

    def publish(self, domain: str, *public_keys: str, policy: str = "") -> None:
        """Shows keys and a policy in the DNS."""
        self.texts[f"_voxkey.{domain}"] = [key_text(key) for key in public_keys]
        if policy:
            self.texts[f"_voxpolicy.{domain}"] = [f"v=vox1; federation={policy}"]


class Dns:
    """Answers from the dictionary."""

    def __init__(self, internet: Internet) -> None:
        self._internet = internet

    async def texts(self, name: str) -> list[str]:
        self._internet.questions += 1
        return list(self._internet.texts.get(name, ()))

    async def services(self, name: str) -> list[ServiceRecord]:
        del name
        return []

    async def addresses(self, host: str, port: int) -> list[str]:
        raise OSError(host, port)


class Wire:
    """Carries requests to the servers of this process."""

    def __init__(self, internet: Internet) -> None:
        self._internet = internet

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Any = None,
        body: bytes = b"",
        deadline_s: float,
        max_bytes: int,
    ) -> FetchResult:
        del deadline_s
        internet, parts = self._internet, urlsplit(url)
        host, path = parts.netloc, parts.path
        internet.sent.append((host, method, path, body))
        app = internet.hosts.get(host)
        if app is None or host in internet.away:
            raise DependencyError("no connection", code="fetch_failed")
        internet.captured.append((method, path, dict(headers or {}), body))
        transport = httpx2.ASGITransport(app, raise_app_exceptions=True)
        async with httpx2.AsyncClient(transport=transport, base_url=f"https://{host}", timeout=WAIT_S) as http:
            reply = await http.request(method, path, headers=dict(headers or {}), content=body)
        if internet.loses_answers:
            internet.loses_answers -= 1
            raise DependencyError("cut off", code="fetch_failed")
        if len(reply.content) > max_bytes:
            raise DependencyError("too large", code="answer_too_large")
        return FetchResult(reply.status_code, dict(reply.headers), reply.content, "192.0.2.1", 0.0, url)


@dataclass(slots=True)
class Peer:
    """A server that a test plays: it signs rightly unless told otherwise."""

    internet: Internet
    domain: str
    keys: KeyPair = field(default_factory=new_key_pair)
    clock_s: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.internet.publish(self.domain, self.keys.public)

    def signed(
        self, rig: Rig, method: str, path: str, body: bytes, lies: Mapping[str, Any] = NO_LIES
    ) -> dict[str, str]:
        """The headers of a request to a server; `lies` are signed in place of what is true."""
        federation = rig.chat.federation
        assert federation is not None
        identity = Identity(lies.get("origin", self.domain), lies.get("private_key", self.keys.private))
        headers = signing.sign(
            identity,
            lies.get("method", method),
            lies.get("path", FEDERATION + path),
            lies.get("body", body),
            destination=lies.get("destination", federation.domain),
            now_s=int(self.clock_s() + lies.get("clock_off_s", 0)),
            nonce=lies.get("nonce", new_nonce()),
        )
        if lies.get("legacy"):
            for name in ("content-digest", "signature-input", "signature"):
                del headers[name]
        return headers

    async def call(
        self, rig: Rig, method: str, path: str, said: Any = None, lies: Mapping[str, Any] = NO_LIES
    ) -> httpx2.Response:
        """A request to a server."""
        body = said if isinstance(said, bytes) else json.dumps({} if said is None else said).encode()
        headers = self.signed(rig, method, path, body, lies)
        return await rig.http.request(method, FEDERATION + path, headers=headers, content=body)

    async def message(
        self,
        rig: Rig,
        to: str,
        body: str = "hello",
        *,
        sender: str = "mallory",
        lies: Mapping[str, Any] = NO_LIES,
        **more: Any,
    ) -> httpx2.Response:
        """A message of a user of this server; `more` are further fields."""
        said = {"from": f"{sender}@{self.domain}", "to": to, "opaque_blob": body, "body": body, **more}
        return await self.call(rig, "POST", "/relay/message", said, lies)


@contextlib.asynccontextmanager
async def server(
    internet: Internet,
    domain: str,
    database_url: str,
    folder: Path,
    *,
    clock: Clock | None = None,
    policy: str = "open",
    **overrides: Any,
) -> AsyncGenerator[Rig, None]:
    """A community with a federation domain, reachable and in the DNS."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240  one call
    clock = clock or SystemClock()
    parts = Parts(clock, Metrics(), Lifecycle(clock, 1.0), outside=Outside(Dns(internet), Wire(internet)))
    given: dict[str, Any] = {"federation_retry_s": 0.05, "federation_retry_max_s": 0.2, **overrides}
    given |= {"federation_domain": domain, "federation_policy": policy}
    async with community(database_url, folder, clock=clock, parts=parts, **given) as rig:
        internet.hosts[domain] = rig.app
        internet.publish(domain, (await federation_of(rig).keyring.keys())[0].public_key)
        try:
            yield rig
        finally:
            del internet.hosts[domain]


def federation_of(rig: Rig) -> Federation:
    """The server's federation, which is on."""
    federation = rig.chat.federation
    assert federation is not None
    return federation


async def write_to(person: Person, address: str) -> tuple[int, int]:
    """The user with an address, and the conversation with them."""
    found = await person.ok("POST", "/federation/users", {"user_address": address})
    dm = await person.ok("POST", "/dms", {"recipient_id": found["user_id"]})
    return found["user_id"], dm["dm_id"]


async def messages_of(person: Person) -> list[dict[str, Any]]:
    """All messages of a person's first conversation, oldest first."""
    items = (await person.ok("GET", "/dms"))["items"]
    if not items:
        return []
    found = await person.ok("GET", f"/dms/{items[0]['dm_id']}/messages", limit=100)
    return list(reversed(found["messages"]))


async def until_messages(person: Person, count: int) -> list[dict[str, Any]]:
    """The messages of a person's first conversation, once there are so many."""
    async with time_limit():
        while len(found := await messages_of(person)) < count:  # noqa: ASYNC110  the server under test tells no one
            await asyncio.sleep(0.01)
    return found


async def until_empty(rig: Rig) -> None:
    """Returns when nothing waits for other servers."""
    async with time_limit():
        while await rig.chat.read(lambda c: c.exec_driver_sql(WAITING).scalar_one()):  # noqa: ASYNC110  the server under test tells no one
            await asyncio.sleep(0.01)


WAITING = "SELECT count(*) FROM federation_outbox WHERE state = 'pending'"
