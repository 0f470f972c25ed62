"""A client of the relay directory: for relays that register, and for clients that look for one.

Every call has a deadline. With `cache_file` the signed list is kept (by `snapshot`), so that relays are found while the directory
is away: `relays` and `select` then answer from it, and so they do after a restart.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlencode, urlsplit

import httpx2
import msgspec

from vox.errors import DependencyError, PeerError, UsageError
from vox.protocols.relay_directory import Snapshot, challenge_message, key_change_message, snapshot_message
from vox.runtime.clock import Clock, SystemClock
from vox.runtime.logging import get_logger
from vox.security.digests import verify_ed25519
from vox.security.http_signatures import KeyPair, new_nonce, sign, sign_bytes

DEADLINE_S = 5.0
MAX_ANSWER_BYTES = 16 << 20
OLDER_MS = 120_000
"""How much older than the last one a signed list may be: directories on one database make theirs every five seconds, each at
its own time and by its own clock, and caches keep them for a minute."""
EARTH_RADIUS_KM = 6371.0

_log = get_logger(__name__)


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


class Measurement(msgspec.Struct, frozen=True):
    """A relay that a client should measure, where, and why: home, near or explore."""

    id: str
    url: str
    probe_url: str
    why: str


class DirectoryClient:
    """Talks to one directory while the block runs.

    Args:
        url: of the directory.
        api_key: sent with everything.
        key_pair: signs changes, where the directory asks for signatures.
        clock: ages of signatures and snapshots.
        deadline_s: for each call.
        snapshot_key: the directory's public key; snapshots are checked against it. None: the first one seen is believed, and remembered
            in the cache file.
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
                f"{url!r} is not the address of a directory",
                code="invalid_directory_url",
                hint="write http://host:8090",
            )
        self._authority = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self._api_key = api_key
        self._pair = key_pair
        self._clock = clock or SystemClock()
        self._snapshot_key = snapshot_key
        self._cache_file = cache_file
        self._serial = 0
        self._has_read_cache = False
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
        """Healthy relays: nearest first where coordinates are given, in fresh order where not.

        Raises:
            DependencyError: directory_unreachable, and the cache has nothing valid either.
        """
        try:
            answer = await self._get("/v1/relays", {**_place(latitude, longitude), "limit": limit})
        except DependencyError:
            if self._cache_file is None:
                raise
            return _nearest(await self._cached(), latitude, longitude)[:limit]
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
        query = _place(latitude, longitude)
        given = {"region": region, "key": key, "features": ",".join(features)}
        query |= {name: value for name, value in given.items() if value}
        if rtts_ms:
            query["rtt"] = ",".join(f"{relay_id}:{rtt:g}" for relay_id, rtt in rtts_ms.items())
        try:
            answer = await self._get("/v1/relays/select", query)
        except DependencyError as error:
            if (
                features or self._cache_file is None or error.code != "directory_unreachable"
            ):  # the signed list does not say who has which feature
                raise
            best, *others = _nearest(await self._cached(), latitude, longitude)
            return Selection(best, tuple(others[:2]))
        fallbacks = _converted(answer.get("fallbacks"), list[RelayInfo])
        return Selection(_converted(answer.get("relay"), RelayInfo), tuple(fallbacks))

    async def probe_plan(
        self, *, latitude: float | None = None, longitude: float | None = None, home: str = ""
    ) -> list[Measurement]:
        """The relays that are worth measuring; `home` is the id of the one in use."""
        query = _place(latitude, longitude) | ({"home": home} if home else {})
        answer = await self._get("/v1/relays/probe-plan", query)
        return _converted(answer.get("relays"), list[Measurement])

    async def report_rtts(self, rtts_ms: Mapping[str, float]) -> None:
        """Reports measured round trips by relay id, for the choices of other clients in the same network."""
        rtts = [{"relay_id": relay_id, "rtt_ms": rtt_ms} for relay_id, rtt_ms in rtts_ms.items()]
        await self._change("POST", "/v1/rtt-reports", {"rtts": rtts})

    async def report_sessions(self, failed: Mapping[str, bool]) -> None:
        """Tells, by relay id, whether a session there failed: where many do, no more clients are sent for ten minutes."""
        sessions = [{"relay_id": relay_id, "failed": has_failed} for relay_id, has_failed in failed.items()]
        await self._change("POST", "/v1/session-reports", {"sessions": sessions})

    async def status(self, relay_id: str) -> dict[str, Any]:
        """The status of one relay."""
        return await self._get(f"/v1/relays/{relay_id}/status", {})

    async def register(self, relay: Mapping[str, Any]) -> dict[str, Any]:
        """Adds or renews a relay (fields as documented, `join_token` among them) and returns it; a key pair's key is pinned."""
        body = {**relay, "signing_key": self._pair.public} if self._pair else dict(relay)
        return await self._change("POST", "/v1/relays/register", body)

    async def heartbeat(self, relay_id: str, **load: Any) -> dict[str, Any]:
        """A sign of life; `load` as documented: current_connections, capacity, stress, draining and so on."""
        return await self._change("POST", f"/v1/relays/{relay_id}/heartbeat", load or None)

    async def drain(
        self,
        relay_id: str,
        *,
        is_draining: bool = True,
        is_maintenance: bool = False,
        reason: str = "",
        until: datetime | None = None,
    ) -> dict[str, Any]:
        """Takes a relay out of lists, or puts it back; maintenance also excuses its failures, and `until` ends it."""
        body: dict[str, Any] = {"draining": is_draining}
        if is_draining:
            body |= {"maintenance": is_maintenance, "reason": reason}
            body |= {"until": until.isoformat()} if until is not None else {}
        return await self._change("POST", f"/v1/relays/{relay_id}/drain", body)

    async def change_key(self, relay_id: str, new: KeyPair) -> dict[str, Any]:
        """Pins another key to a relay, in the name of the old one, and signs with it from then on."""
        proof = sign_bytes(new.private, key_change_message(relay_id, new.public))
        answer = await self._change("POST", f"/v1/relays/{relay_id}/key", {"signing_key": new.public, "proof": proof})
        self._pair = new
        return answer

    async def delete(self, relay_id: str, *, force: bool = False) -> None:
        """Removes a relay; one in use only with `force`."""
        await self._change("DELETE", f"/v1/relays/{relay_id}{'?force=1' if force else ''}", None)

    async def create_join_token(self, *, ttl_s: float | None = None, note: str = "") -> dict[str, Any]:
        """Creates a token with which one relay may join, valid for a day by default; `token` is returned only here."""
        body: dict[str, Any] = {"note": note} | ({"ttl_ms": round(ttl_s * 1000)} if ttl_s is not None else {})
        return await self._change("POST", "/v1/join-tokens", body)

    async def join_tokens(self) -> list[dict[str, Any]]:
        """The tokens that are not used yet."""
        return _converted((await self._get("/v1/join-tokens", {})).get("join_tokens"), list[dict[str, Any]])

    async def delete_join_token(self, token_id: str) -> None:
        """Deletes a token, so that no relay can join with it."""
        await self._change("DELETE", f"/v1/join-tokens/{token_id}", None)

    async def waiting(self) -> list[dict[str, Any]]:
        """The relays that wait for approval, with `key_id` and whether they are `reachable`."""
        return _converted((await self._get("/v1/relays/waiting", {})).get("relays"), list[dict[str, Any]])

    async def approve(self, relay_id: str) -> dict[str, Any]:
        """Lets a relay join that waits for it, and returns its status."""
        return await self._change("POST", f"/v1/relays/{relay_id}/approve", None)

    async def refuse(self, relay_id: str, *, reason: str = "") -> None:
        """Removes a relay that waits for approval; it may not ask again for a day."""
        await self._change("POST", f"/v1/relays/{relay_id}/refuse", {"reason": reason})

    async def snapshot(self) -> list[RelayInfo]:
        """All listed relays by signature: from the directory, else from the cache as long as it is valid.

        Raises:
            PeerError: snapshot_refused: wrong signature, older than one seen before, or expired.
            DependencyError: directory_unreachable, and there is nothing in the cache.
        """
        await self._read_cache()
        try:
            text = msgspec.json.encode(await self._get("/v1/directory", {}))
        except DependencyError:
            if self._cache_file is None:
                raise
            return await self._cached()
        relays = self._opened(text)
        if self._cache_file is not None:
            try:
                await asyncio.to_thread(_replace, self._cache_file, text)
            except OSError as error:
                _log.warning("the signed list cannot be kept", file=str(self._cache_file), error=str(error))
        return relays

    async def _cached(self) -> list[RelayInfo]:
        """The relays of the kept list; to be called where the directory just failed to answer."""
        text = await self._read_cache()
        if text is None:
            raise DependencyError(
                "the directory does not answer, and no signed list is kept",
                code="directory_unreachable",
                retryable=True,
            )
        relays = self._opened(text)
        if not relays:
            raise DependencyError(
                "the directory does not answer, and the kept list is empty",
                code="directory_unreachable",
                retryable=True,
            )
        return relays

    async def _read_cache(self) -> bytes | None:
        """The kept list; the first time also the key to trust and the least version to accept."""
        if self._cache_file is None:
            return None
        try:
            text = await asyncio.to_thread(self._cache_file.read_bytes)
        except OSError:
            return None
        if not self._has_read_cache:
            self._has_read_cache = True
            try:
                key, snapshot = self._verified(text)
            except PeerError:
                return None  # torn or of another directory: the next good list replaces it
            self._snapshot_key, self._serial = key, max(self._serial, snapshot.serial)
        return text

    def _verified(self, text: bytes) -> tuple[str, Snapshot]:
        try:
            sealed = msgspec.json.decode(text, type=_Sealed)
            key = self._snapshot_key or sealed.public_key
            verify_ed25519(key, sealed.signature, snapshot_message(sealed.signed))
            return key, msgspec.json.decode(sealed.signed, type=Snapshot)
        except (msgspec.MsgspecError, UsageError):
            raise _refused("its signature is wrong") from None

    def _opened(self, text: bytes) -> list[RelayInfo]:
        key, snapshot = self._verified(text)
        if snapshot.serial < self._serial - OLDER_MS:
            raise _refused("it is older than one seen before")
        if self._clock.wall().timestamp() > snapshot.valid_until:
            raise _refused("it has expired")
        self._serial, self._snapshot_key = max(self._serial, snapshot.serial), key
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
                created=self._clock.unix_s(),
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
        body: dict[str, Any] = {}
        try:
            body = msgspec.json.decode(answer.content[:MAX_ANSWER_BYTES], type=dict[str, Any])
        except msgspec.MsgspecError:
            if answer.status_code < 500:  # noqa: PLR2004  beyond, it is a proxy's page where the directory is away
                raise PeerError(
                    "the directory's answer is not a JSON object", code="directory_answer_malformed"
                ) from None
        if answer.is_success:
            return body
        message = f"the directory refused: {body.get('error')} ({body.get('code')}, HTTP {answer.status_code})"
        if body.get("code") == "NO_RELAY_AVAILABLE":
            raise DependencyError(message, code="no_relay_available", retryable=True)
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


def _replace(file: Path, text: bytes) -> None:
    """Writes a temporary file and renames it, so that no reader ever sees half a list."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=file.parent, prefix=file.name, delete=False) as aside:
        aside.write(text)
    Path(aside.name).replace(file)


def _place(latitude: float | None, longitude: float | None) -> dict[str, Any]:
    """Half a place is sent as it is: the directory says what is missing."""
    return {name: value for name, value in (("lat", latitude), ("lon", longitude)) if value is not None}


def _nearest(relays: list[RelayInfo], latitude: float | None, longitude: float | None) -> list[RelayInfo]:
    if latitude is None or longitude is None:
        return relays
    here = [msgspec.structs.replace(one, distance_km=_distance_km(latitude, longitude, one)) for one in relays]
    return sorted(here, key=lambda one: (one.distance_km, one.id))


def _distance_km(latitude: float, longitude: float, relay: RelayInfo) -> float:
    north, east = radians(relay.latitude - latitude) / 2, radians(relay.longitude - longitude) / 2
    a = sin(north) ** 2 + cos(radians(latitude)) * cos(radians(relay.latitude)) * sin(east) ** 2
    return round(2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, a))), 3)


def _converted(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise PeerError(
            f"the directory's answer is not as documented: {error}", code="directory_answer_malformed"
        ) from None


def _refused(why: str) -> PeerError:
    return PeerError(f"the signed list is rejected: {why}", code="snapshot_refused")


def _hint(body: Mapping[str, Any]) -> str:
    problems = cast("list[dict[str, str]]", body.get("errors") or [])
    return "; ".join(f"{one['path']}: {one['message']}" for one in problems)
