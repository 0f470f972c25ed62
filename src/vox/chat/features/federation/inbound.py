"""Requests of other servers: who signed them, whether that server may ask, and how often.

Peers are strangers. The order is that of the cost: headers, the clock, the policy, then a look-up and a signature, then the lists,
quotas, and what was seen before. A request that only carries the original's signature is not bound to a path and a server; it is
taken where its body names a user of this server, and from servers that have never signed in full.
"""

from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from vox.chat.api.request import AnyCall
from vox.chat.context import ChatContext
from vox.chat.errors import Refusal, rate_limited, refuse
from vox.chat.federation import queries, signing
from vox.chat.federation.addresses import UserAddress, parse_address, parse_domain
from vox.chat.federation.metrics import RECEIVED
from vox.chat.federation.policy import permits
from vox.chat.federation.service import Federation
from vox.chat.federation.signing import BadSignature, Claim, Spent
from vox.chat.federation.wire import MAX_BODY_BYTES
from vox.chat.identity.queries import LocalUser, find_local_user
from vox.errors import DependencyError
from vox.http.rate_limits import RateCategory, RateDecision
from vox.stores.sql import Connection

T = TypeVar("T")
GET_BODY_BYTES: Final = 1024


def federation_of(chat: ChatContext) -> Federation:
    """Federation, where it is on.

    Raises:
        Refusal: FED_NOT_CONFIGURED.
    """
    if chat.federation is None:
        raise refuse("FED_NOT_CONFIGURED", "This server does not federate: VOX_FEDERATION_DOMAIN is not set.")
    return chat.federation


async def authenticate(
    call: AnyCall, body: bytes, quota: RateCategory, *, needs_full: bool = False, about: str = ""
) -> str:
    """The server that sends a request.

    Args:
        call: the request.
        body: its raw body.
        quota: what it counts as.
        needs_full: whether the original's signature alone is not enough.
        about: what of the server's the quota is for; empty for all.

    Raises:
        Refusal: whatever is wrong with it.
    """
    try:
        domain = await _authenticate(call, body, quota, needs_full=needs_full, about=about)
    except Refusal as refusal:
        call.chat.metrics.counter(RECEIVED, refusal.wire_code).inc()
        raise
    call.chat.metrics.counter(RECEIVED, "accepted").inc()
    return domain


async def take_quota(chat: ChatContext, domain: str, quota: RateCategory, about: str = "") -> None:
    """Counts one request of a server.

    Raises:
        Refusal: RATE_LIMITED.
    """
    decision = chat.limits.take(f"fed:{domain}:{about}" if about else f"fed:{domain}", quota, chat.clock.now())
    if not isinstance(decision, RateDecision):
        decision = await decision
    if decision.retry_after_s is not None:
        raise rate_limited(decision.retry_after_s, "Too many requests of this server")


def decoded(body: bytes, kind: type[T]) -> T:
    """A body as its type.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, not the type, or nested too deeply
        raise refuse("VALIDATION_ERROR", f"body: {error}") from None


def user_of(chat: ChatContext, text: str, domain: str) -> UserAddress:
    """A user of the sender.

    Raises:
        Refusal: FED_AUTH_FAILED where the user belongs to another server.
    """
    address = parse_address(text, chat.config.limit("federation_address_max"))
    if address is None or address.domain != domain:
        raise refuse("FED_AUTH_FAILED", f"{domain} speaks for its own users only.")
    return address


async def find_recipient(chat: ChatContext, text: str) -> LocalUser | None:
    """The active user of this server that an address means."""
    address = parse_address(text, chat.config.limit("federation_address_max"))
    if address is None or address.domain != federation_of(chat).domain:
        return None
    user = await chat.read(partial(find_local_user, username=address.name))
    person = None if user is None else chat.community.users.get(user.id)
    # A look-alike name is not an address.
    return user if person is not None and person.is_active and person.username == address.name else None


async def recipient_of(chat: ChatContext, text: str) -> LocalUser:
    """The active user of this server that an address means.

    Raises:
        Refusal: FED_USER_NOT_FOUND.
    """
    found = await find_recipient(chat, text)
    if found is None:
        raise refuse("FED_USER_NOT_FOUND", "There is no such user here.")
    return found


async def _authenticate(call: AnyCall, body: bytes, quota: RateCategory, *, needs_full: bool, about: str) -> str:
    chat = call.chat
    federation = federation_of(chat)
    if len(body) > MAX_BODY_BYTES:
        raise refuse("PAYLOAD_TOO_LARGE", f"A request between servers has at most {MAX_BODY_BYTES} bytes.")
    now_s = chat.clock.wall().timestamp()
    try:
        claim = signing.read_claim(call.headers, now_s)
    except BadSignature as error:
        raise refuse(error.code, str(error), status=error.status) from None
    domain = parse_domain(claim.origin)
    if domain is None or domain == federation.domain:
        raise refuse("FED_AUTH_FAILED", "X-Vox-Origin names no other server.")
    if federation.policy == "closed":
        raise refuse("FED_POLICY_DENIED", "This server does not federate.")
    spent = await _verified(call, federation, claim, domain, body, now_s)
    is_blocked, is_allowed = await chat.read(partial(queries.listed, domain=domain))
    if is_blocked:
        raise refuse("FED_BLOCKED", f"This server has blocked {domain}.")
    if not permits(federation.policy, is_allowed=is_allowed, is_blocked=False):
        raise refuse("FED_POLICY_DENIED", f"This server does not federate with {domain}.")
    if not claim.is_full and (needs_full or await _signs_fully(chat, domain)):
        raise refuse(
            "FED_AUTH_FAILED", "Sign method, path and server, too: Content-Digest, Signature-Input, Signature."
        )
    await take_quota(chat, domain, quota, about)
    await chat.database.write(partial(_spent, domain=domain, spent=spent, now_s=int(now_s), is_full=claim.is_full))
    federation.outbox.wake()
    return domain


async def _verified(
    call: AnyCall, federation: Federation, claim: Claim, domain: str, body: bytes, now_s: float
) -> Spent:
    """What the request has used up; asks the DNS again where the keys it gave do not fit."""
    query = call.scope["query_string"].decode("ascii", "replace")
    path = raw_path(call.scope) + (f"?{query}" if query else "")
    refused: BadSignature | None = None
    tried: tuple[str, ...] = ()
    for is_fresh in (False, True):
        try:
            keys = (await federation.discovery.find(domain, is_fresh=is_fresh)).keys
        except DependencyError:
            raise refuse(
                "UNAVAILABLE", f"The DNS gives no answer for {domain}; try again.", retry_after_ms=2000
            ) from None
        for key in keys if keys != tried else ():
            try:
                return signing.verify(
                    claim,
                    call.method,
                    path,
                    body,
                    call.headers,
                    public_key=key,
                    own_domain=federation.domain,
                    now_s=now_s,
                )
            except BadSignature as error:
                refused = error
        tried = keys
    why = f"The DNS shows no key of {domain} that is believed." if refused is None else str(refused)
    raise refuse("FED_AUTH_FAILED", why)


async def _signs_fully(chat: ChatContext, domain: str) -> bool:
    peer = await chat.read(partial(queries.find_peer, domain=domain))
    return peer is not None and peer.signs_fully


def _spent(connection: Connection, *, domain: str, spent: Spent, now_s: int, is_full: bool) -> None:
    until_s = now_s + signing.NONCE_MEMORY_S
    if not queries.spend(connection, f"{domain} {spent.name}", now_s, until_s):
        raise refuse("FED_AUTH_FAILED", "This request was seen before.")
    if spent.besides is not None:
        queries.spend(connection, f"{domain} {spent.besides}", now_s, until_s)
    queries.heard_from(connection, domain, now_s, is_full=is_full)


def raw_path(scope: Any) -> str:
    """The path as it travelled, percent-encoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("ascii", "replace")
