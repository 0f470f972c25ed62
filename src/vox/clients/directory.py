"""A client of the relay directory: for relays that register, and for whoever looks for one.

Every call has a deadline. With `cache_file` the signed list is kept, so that relays are found while the directory is away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlencode, urlsplit

import httpx2
import msgspec

from vox.errors import DependencyError, PeerError, UsageError
from vox.protocols.relay_directory import Snapshot, challenge_message, snapshot_message
from vox.runtime.clock import Clock, SystemClock
from vox.security.requests import KeyPair, new_nonce, sign, sign_bytes
from vox.security.signatures import verify_ed25519

DEADLINE_S = 5.0
MAX_ANSWER_BYTES = 16 << 20


class RelayInfo(msgspec.Struct, frozen=True):
    """A relay as lists show it; `distance_km` only where coordinates were given."""

    id: str
    name: str
    url: str
    latitude: float
    longitude: float
    region: str
    capacity: int
    current_connections: int
    public_key: str
    registered_at: str
    last_seen_at: str
    healthy: bool
    failed_checks: int = 0
    distance_km: float | None = None
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The relay to use, and those to fall back on, best first."""

    relay: RelayInfo
    fallbacks: tuple[RelayInfo, ...]


class DirectoryClient:
    """Talks to one directory while the block runs.

    Args:
        url: of the directory.
        api_key: sent with everything.
        key_pair: signs changes, where the directory asks for signatures.
        clock: ages of signatures and snapshots.
        deadline_s: for each call.
        snapshot_key: the directory's public key; snapshots are checked against it. None: the first one seen is believed.
        cache_file: keeps the last good snapshot.
        transport: for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str = "",
        key_pair: KeyPair | None = None,
        clock: Clock | None = None,
        deadline_s: float = DEADLINE_S,
        snapshot_key: str | None = None,
        cache_file: Path | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise UsageError(
                f"{url!r} is no directory's address", code="invalid_directory_url", hint="write http://host:8090"
            )
        self._authority = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self._api_key = api_key
        self._pair = key_pair
        self._clock = clock or SystemClock()
        self._snapshot_key = snapshot_key
        self._cache_file = cache_file
        self._serial = 0
        self._http = httpx2.AsyncClient(
            base_url=f"{parts.scheme}://{parts.netloc}", timeout=deadline_s, transport=transport, follow_redirects=False
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def relays(
        self, *, latitude: float | None = None, longitude: float | None = None, limit: int = 10
    ) -> list[RelayInfo]:
        """Healthy relays: nearest first where coordinates are given, in fresh order where not."""
        place = {} if latitude is None or longitude is None else {"lat": latitude, "lon": longitude}
        answer = await self._get("/v1/relays", {**place, "limit": limit})
        return _converted(answer.get("relays"), list[RelayInfo])

    async def select(
        self,
        *,
        latitude: float | None = None,
        longitude: float | None = None,
        region: str = "",
        key: str = "",
        features: Sequence[str] = (),
        rtts_ms: Mapping[str, float] | None = None,
    ) -> Selection:
        """One relay and up to two to fall back on; `rtts_ms` are own measurements by relay id."""
        query: dict[str, Any] = {} if latitude is None or longitude is None else {"lat": latitude, "lon": longitude}
        given = {"region": region, "key": key, "features": ",".join(features)}
        query |= {name: value for name, value in given.items() if value}
        if rtts_ms:
            query["rtt"] = ",".join(f"{relay_id}:{rtt:g}" for relay_id, rtt in rtts_ms.items())
        answer = await self._get("/v1/relays/select", query)
        fallbacks = _converted(answer.get("fallbacks"), list[RelayInfo])
        return Selection(_converted(answer.get("relay"), RelayInfo), tuple(fallbacks))

    async def status(self, relay_id: str) -> dict[str, Any]:
        """What the directory says of one relay."""
        return await self._get(f"/v1/relays/{relay_id}/status", {})

    async def register(self, relay: Mapping[str, Any]) -> dict[str, Any]:
        """Adds or renews a relay (fields as documented) and returns it; with a key pair the key is pinned."""
        body = {**relay, "signing_key": self._pair.public} if self._pair else dict(relay)
        return await self._change("POST", "/v1/relays/register", body)

    async def heartbeat(self, relay_id: str, **load: Any) -> dict[str, Any]:
        """A sign of life; `load` as documented: current_connections, capacity, stress, draining and so on."""
        return await self._change("POST", f"/v1/relays/{relay_id}/heartbeat", load or None)

    async def drain(self, relay_id: str, *, is_draining: bool = True) -> dict[str, Any]:
        """Takes a relay out of lists, or puts it back."""
        return await self._change("POST", f"/v1/relays/{relay_id}/drain", {"draining": is_draining})

    async def delete(self, relay_id: str, *, force: bool = False) -> None:
        """Forgets a relay; one in use only by force."""
        await self._change("DELETE", f"/v1/relays/{relay_id}{'?force=1' if force else ''}", None)

    async def snapshot(self) -> list[RelayInfo]:
        """All listed relays by signature: from the directory, else from the cache as long as it is valid.

        Raises:
            PeerError: snapshot_refused: wrong signature, older than one seen before, or expired.
            DependencyError: directory_unreachable, and there is nothing in the cache.
        """
        try:
            text = msgspec.json.encode(await self._get("/v1/directory", {}))
        except DependencyError:
            if self._cache_file is None or not self._cache_file.exists():
                raise
            return self._opened(self._cache_file.read_bytes())
        relays = self._opened(text)
        if self._cache_file is not None:
            aside = self._cache_file.with_suffix(".new")
            aside.write_bytes(text)
            aside.replace(self._cache_file)
        return relays

    def _opened(self, text: bytes) -> list[RelayInfo]:
        try:
            sealed = msgspec.json.decode(text, type=_Sealed)
            key = self._snapshot_key or sealed.public_key
            verify_ed25519(key, sealed.signature, snapshot_message(sealed.signed))
            snapshot = msgspec.json.decode(sealed.signed, type=Snapshot)
        except (msgspec.MsgspecError, UsageError):
            raise _refused("its signature is wrong") from None
        if snapshot.serial < self._serial:
            raise _refused("it is older than one seen before")
        if self._clock.wall().timestamp() > snapshot.valid_until:
            raise _refused("it has expired")
        self._serial, self._snapshot_key = snapshot.serial, key
        return _converted(snapshot.relays, list[RelayInfo])

    async def _get(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        return await self._send("GET", f"{path}?{urlencode(query)}" if query else path, b"", {})

    async def _change(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        content = b"" if body is None else msgspec.json.encode(body)
        headers: dict[str, str] = {"content-type": "application/json"} if content else {}
        if self._pair is not None:
            headers |= sign(
                method,
                self._prefix + path,
                content,
                created=int(self._clock.wall().timestamp()),
                nonce=new_nonce(),
                private_key=self._pair.private,
                authority=self._authority,
            )
        return await self._send(method, path, content, headers)

    async def _send(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> dict[str, Any]:
        if self._api_key:
            headers = {**headers, "authorization": f"Bearer {self._api_key}"}
        try:
            answer = await self._http.request(method, self._prefix + path, content=content, headers=headers)
        except httpx2.HTTPError as error:
            raise DependencyError(
                f"the directory does not answer: {type(error).__name__}", code="directory_unreachable", retryable=True
            ) from error
        try:
            body = msgspec.json.decode(answer.content[:MAX_ANSWER_BYTES], type=dict[str, Any])
        except msgspec.MsgspecError:
            raise PeerError("the directory's answer is no JSON object", code="directory_answer_malformed") from None
        if answer.is_success:
            return body
        message = f"the directory refused: {body.get('error')} ({body.get('code')}, HTTP {answer.status_code})"
        if answer.status_code >= 500:  # noqa: PLR2004  its own fault
            raise DependencyError(message, code="directory_unreachable", retryable=True)
        raise UsageError(message, code="directory_refused", hint=_hint(body))


class _Sealed(msgspec.Struct):
    signed: str
    signature: str
    public_key: str


def sign_challenge(key_pair: KeyPair, url: str, challenge: str) -> str:
    """What a relay puts into its health answer as `challenge_signature` when a probe brings a challenge."""
    return sign_bytes(key_pair.private, challenge_message(url, challenge))


def _converted(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise PeerError(
            f"the directory's answer is not as documented: {error}", code="directory_answer_malformed"
        ) from None


def _refused(why: str) -> PeerError:
    return PeerError(f"the signed list is not used: {why}", code="snapshot_refused")


def _hint(body: Mapping[str, Any]) -> str:
    problems = cast("list[dict[str, str]]", body.get("errors") or [])
    return "; ".join(f"{one['path']}: {one['message']}" for one in problems)
