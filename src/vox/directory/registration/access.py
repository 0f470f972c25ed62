"""Who may change which relay: networks, API keys and signatures, decided per request.

A relay has the owner that registered it: an API key by name, a signing key by its fingerprint, or none (open mode). A
relay with a pinned signing key takes orders only from that key or an administrator, in every mode.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from vox.directory.relays.relay import Relay
from vox.directory.settings import Access
from vox.errors import UsageError
from vox.http.call import HttpCall
from vox.http.rate_limits import MemoryRateLimits, RateCategory
from vox.runtime.clock import Clock
from vox.security import http_signatures as signed_requests
from vox.security.addresses import network_key, parse_address
from vox.security.credentials import api_key
from vox.security.digests import is_equal
from vox.security.http_signatures import NonceMemory
from vox.security.urls import DEFAULT_PORTS, split_authority

BURST_S = 10.0
"""How much of the permitted rate an address may use at once."""
LEAST_BURST = 20
MAX_ADDRESSES = 50_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, once it is proven: `owner` is what relays registered by this caller carry."""

    owner: str
    is_admin: bool = False
    signing_key: str = ""
    nonce: str = ""

    def may_change(self, relay: Relay) -> bool:
        """Whether the relay is this caller's."""
        if self.is_admin:
            return True
        if relay.signing_key:
            return relay.signing_key == self.signing_key
        return relay.owner == self.owner


class Authorizer:
    """Lets callers in, or raises what they are told.

    Args:
        access: the operator's choice.
        authority: host and port that signatures must be made out to; where it is empty, only this machine's own names and
            the address that a request came in on are known to be the directory's.
        clock: for signatures' ages and rates.
    """

    def __init__(self, access: Access, authority: str, clock: Clock) -> None:
        self._access = access
        self._authority = authority
        self._clock = clock
        self._networks = [ip_network(one) for one in access.open_networks]
        per_s = access.changes_per_minute / 60
        self._changes = RateCategory("changes", max(LEAST_BURST, int(per_s * BURST_S)), per_s)
        self._rates = MemoryRateLimits(max_keys=MAX_ADDRESSES)
        self._nonces = NonceMemory()

    def limit(self, request: HttpCall, relay_id: str = "") -> None:
        """Counts a change against the caller's address, per relay where there is one: many relays may share an address.

        Raises:
            UsageError: rate_limited, with the time to wait.
        """
        key = f"{network_key(request.client)} {relay_id}"
        wait_s = self._rates.take(key, self._changes, self._clock.now()).retry_after_s
        if wait_s is not None:
            raise UsageError("Too many requests", code="rate_limited", retryable=True, retry_after_s=wait_s)

    def authorize(self, request: HttpCall, body: bytes, relay: Relay | None, new_key: str = "") -> Caller:
        """The caller of a change.

        Args:
            request: what came in.
            body: its body, which a signature covers.
            relay: the relay it is about, where there is one.
            new_key: the Ed25519 key that a registration brings along; it must have made the signature.

        Raises:
            UsageError: unauthorized, forbidden, not_the_owner, or what is wrong with the signature.
        """
        caller = self._identify(request, body, relay, new_key)
        if relay is not None and not caller.may_change(relay):
            raise UsageError("This relay belongs to another owner", code="not_the_owner")
        return caller

    def authorize_administrator(self, request: HttpCall) -> Caller:
        """The administrator who asks.

        Raises:
            UsageError: unauthorized or forbidden.
        """
        given = api_key(request.headers)
        if not given:
            raise UsageError("An administrator's API key is needed", code="unauthorized")
        caller = self._by_key(given)
        if not caller.is_admin:
            raise UsageError("Only administrators may do this", code="forbidden")
        return caller

    def _identify(self, request: HttpCall, body: bytes, relay: Relay | None, new_key: str) -> Caller:
        given = api_key(request.headers)
        if given:
            return self._by_key(given)
        if "signature-input" in request.headers or new_key:
            return self._by_signature(request, body, relay, new_key)
        if relay is not None and relay.signing_key:
            raise UsageError("This relay signs its requests, and this one is not signed", code="unauthorized")
        if self._access.mode != "open":
            raise UsageError("An API key or a signature is needed", code="unauthorized")
        if not self._is_inside(request.client):
            raise UsageError("Relays are changed from the private network only", code="forbidden")
        if "origin" in request.headers:  # a browser inside the network, on behalf of a page from anywhere
            raise UsageError("Pages in browsers change relays with an API key only", code="forbidden")
        return Caller("")

    def _by_key(self, given: str) -> Caller:
        found: Caller | None = None
        admin = self._access.admin_key.get_secret_value()
        if admin and is_equal(given, admin):
            found = Caller("key:admin", is_admin=True)
        for one in self._access.api_keys:
            if is_equal(given, one.key.get_secret_value()):
                found = Caller(f"key:{one.name}", is_admin=one.admin)
        if found is None:
            raise UsageError("The API key is unknown", code="unauthorized")
        return found

    def _by_signature(self, request: HttpCall, body: bytes, relay: Relay | None, new_key: str) -> Caller:
        if self._access.mode == "keys" and (relay is None or not relay.signing_key):
            raise UsageError("An API key is needed", code="unauthorized")
        key = new_key or (relay.signing_key if relay is not None else "")
        if not key:
            raise UsageError("This relay has no signing key", code="not_the_owner")
        if self._access.mode == "open" and not self._is_inside(request.client) and relay is None:
            raise UsageError("Relays are registered from the private network only", code="forbidden")
        path = request.scope.get("raw_path", b"").decode("latin-1") or request.scope["path"]
        query = request.scope["query_string"].decode("latin-1")
        signed = signed_requests.verify(
            request.method,
            f"{path}?{query}" if query else path,
            body,
            request.headers,
            public_key=key,
            now=self._clock.wall().timestamp(),
            nonces=self._nonces,
            authority=self._authority or _known_authority(request),
        )
        owner = f"signed:{signed_requests.fingerprint(key)}"
        return Caller(owner, signing_key=key, nonce=signed.nonce)

    def _is_inside(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def _known_authority(request: HttpCall) -> str:
    """The Host header, where it is an address of this directory beyond doubt.

    Anyone may send any Host, along with what a relay signed for another directory.
    """
    given = request.headers.get("host", "")
    host, port = split_authority(given)
    own_host, own_port = request.scope.get("server") or ("", None)
    address = parse_address(host)
    if address is not None:
        is_here = address.is_loopback or address == parse_address(own_host)
    else:
        is_here = host in {"localhost", own_host}
    is_port = port == own_port or (port is None and own_port in DEFAULT_PORTS.values())
    if not (is_here and is_port):
        raise UsageError(
            "The signature may be made out to another directory: this one does not know the name that it was asked by.",
            code="bad_signature",
            hint="set server.public_url to the address that relays use",
        )
    return given
