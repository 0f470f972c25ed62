"""Federation as the rest of the chat server sees it: what goes out, what is known of other servers, and their life cycle.

Nothing of it exists while no domain is set; `ChatContext.federation` is None then, and that is all that a message costs.
"""

import importlib
import ssl
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import Any, Final, cast

import httpx2
import msgspec

from vox.chat.community import Community
from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import ChatSettings
from vox.chat.errors import refuse
from vox.chat.events import Event
from vox.chat.events.ids import DmId, MessageId, UserId
from vox.chat.events.messages import dm_delivery
from vox.chat.federation import queries
from vox.chat.federation.addresses import parse_domain
from vox.chat.federation.client import Fetcher, PeerClient, PeerFailure
from vox.chat.federation.delivery import Answer, RetryTimes
from vox.chat.federation.discovery import Discovery, Resolver
from vox.chat.federation.jobs import Jobs
from vox.chat.federation.keyring import Keyring
from vox.chat.federation.outbox import Outbox
from vox.chat.federation.policy import Policy, permits
from vox.chat.federation.queries import Delivery
from vox.chat.federation.wire import MAX_FILES
from vox.errors import UsageError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import supervised
from vox.security.http_signatures import key_pair
from vox.security.outbound import OutboundGuard
from vox.stores.sql import Connection, SqlDatabase

DEADLINE_WITH_FILES_S: Final = 120.0
"""Of a message with attachments, which the receiver fetches before it answers."""
REFRESHED_EVERY_S: Final = 3600.0
"""How old a profile of another server's user must be before it is asked for again."""
MAX_REFRESHED: Final = 10_000
Refresh = Callable[[UserId, str], Awaitable[None]]
"""Takes a user of another server and their address."""
_PATHS: Final = {
    "message": "/relay/message",
    "read": "/relay/read",
    "subscribe": "/presence/subscribe",
    "block": "/block",
}
"""What kinds of deliveries there are, and where they go."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """The way of what leaves this server: the addresses of a conversation's two users, and the server."""

    domain: str
    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Outside:
    """The world beyond this server, where a test plays it: names and the way to their hosts."""

    resolver: Resolver
    fetcher: Fetcher


class Federation:
    """All of it.

    Args:
        settings: of the environment.
        config: the policy and the limits at present.
        database: keeps everything.
        clock: dates requests and attempts.
        metrics: counts.
        community: who is whose user.
        tell: sends an event that no database row stands behind.
        outside: the DNS and the way out; by default as the settings say.
    """

    def __init__(
        self,
        settings: ChatSettings,
        config: Config,
        database: SqlDatabase,
        clock: Clock,
        metrics: Metrics,
        *,
        community: Community,
        tell: Callable[[Event], None],
        outside: Outside | None = None,
    ) -> None:
        self.domain = own_domain(config.get("federation_domain"))
        self._settings = settings
        self._config = config
        self._database = database
        self._community = community
        self._tell = tell
        outside = outside or _outside(settings)
        self.discovery = Discovery(outside.resolver, database, clock)
        self.keyring = Keyring(database, clock, self.domain, _checked_key(settings))
        self.client = PeerClient(self.domain, self.keyring, self.discovery, outside.fetcher, database, clock)
        self.jobs = Jobs(clock)
        self.outbox = Outbox(
            database,
            clock,
            metrics,
            send=self._send,
            times=RetryTimes(
                settings.federation_retry_s, settings.federation_retry_max_s, settings.federation_give_up_s
            ),
            on_failed=self._failed,
        )
        self._clock = clock
        self.on_viewed: Refresh | None = None
        """Asks a user's own server how they are to be shown; a feature, hence named by the server."""
        self._refreshed: OrderedDict[UserId, float] = OrderedDict()

    @property
    def policy(self) -> Policy:
        """Which servers this one federates with, at present."""
        return cast("Policy", self._config.get("federation_policy"))

    @asynccontextmanager
    async def running(self, *, is_shared: bool) -> AsyncGenerator[None, None]:
        """Sends what waits, while the block runs.

        Args:
            is_shared: whether several processes share the database.
        """
        await self.keyring.identity()
        if self.policy == "closed":
            _log.warning(
                "VOX_FEDERATION_DOMAIN is set, and the policy is closed: nothing is sent or accepted",
                remedy="set VOX_FEDERATION_POLICY to allowlist or open",
            )
        async with AsyncExitStack() as stack:
            sending = partial(self.outbox.run, is_shared=is_shared)
            await stack.enter_async_context(supervised(sending, "federation outbox"))
            await stack.enter_async_context(supervised(self.jobs.run, "federation jobs"))
            yield

    def address_of(self, user_id: UserId) -> str | None:
        """The address of a user of this server; None for a user of another, or none."""
        person = self._community.users.get(user_id)
        if person is None or person.is_federated:
            return None
        return f"{person.username}@{self.domain}"

    def route_of(self, user_id: UserId, dm_id: DmId) -> Route | None:
        """The way of what a user writes in a conversation; None where nothing leaves this server."""
        others = self._community.dms.get(dm_id, frozenset()) - {user_id}
        if len(others) != 1:
            return None
        person = self._community.users.get(next(iter(others)))
        sender = self.address_of(user_id)
        if person is None or not person.is_federated or sender is None:
            return None
        return Route(person.username.rpartition("@")[2], sender, person.username)

    def relay_message(
        self,
        connection: Connection,
        route: Route,
        *,
        dm_id: DmId,
        author_id: UserId,
        msg_id: MessageId,
        body: str | None,
        opaque_blob: str | None,
        files: Sequence[dict[str, Any]],
    ) -> None:
        """Adds a message to the outbox, in the transaction that stores it.

        Args:
            connection: the unit's own.
            route: of `route_of`.
            dm_id: the conversation.
            author_id: who writes.
            msg_id: the message, which it is named by.
            body: its text, where it is not encrypted.
            opaque_blob: its encrypted text.
            files: what is attached: file_id, name, size, mime.

        Raises:
            Refusal: MESSAGE_TOO_LARGE, FED_BLOCKED, FED_POLICY_DENIED, or FED_UNAVAILABLE where too much waits already.
        """
        if not queries.is_pair(connection, dm_id):
            return
        most = self._config.limit("relay_payload_max")
        if len(opaque_blob or body or "") > most:
            raise refuse("MESSAGE_TOO_LARGE", f"A message to another server has at most {most} characters.")
        if len(files) > MAX_FILES:
            raise refuse("MESSAGE_TOO_LARGE", f"A message to another server has at most {MAX_FILES} attachments.")
        self.assert_permitted(connection, route.domain)
        said: dict[str, Any] = {
            "from": route.sender,
            "to": route.recipient,
            "opaque_blob": opaque_blob or body or "",
            "delivery_id": str(msg_id),
        }
        if opaque_blob is None and body is not None:
            said["body"] = body
        if files:
            said["files"] = [{name: file[name] for name in ("file_id", "name", "size", "mime")} for file in files]
        self._enqueue(connection, route.domain, f"dm:{dm_id}", "message", said, msg_id=msg_id, author_id=author_id)

    def relay_read(self, connection: Connection, route: Route, *, dm_id: DmId, msg_id: MessageId) -> None:
        """Adds a read mark to the outbox, in the transaction that stores it; an older one that was not sent yet goes."""
        if not queries.is_pair(connection, dm_id) or not self._is_permitted(connection, route.domain):
            return
        said: dict[str, Any] = {"from": route.sender, "to": route.recipient, "up_to_msg_id": msg_id}
        last = queries.last_received(connection, dm_id, route.domain, msg_id)
        if last is not None:
            said["up_to_delivery_id"] = last
        queries.drop_untried(connection, route.domain, f"dm:{dm_id}", "read")
        self._enqueue(connection, route.domain, f"dm:{dm_id}", "read", said)

    def relay_typing(self, user_id: UserId, dm_id: DmId) -> None:
        """Tells another server that a user types; lost where it is away."""
        route = self.route_of(user_id, dm_id)
        if route is not None:
            body = msgspec.json.encode({"from": route.sender, "to": route.recipient})
            self.jobs.add(("typing", dm_id), partial(self._signal, route.domain, "/relay/typing", body))

    def tell_presence(self, user_id: UserId, shown: dict[str, Any]) -> None:
        """Tells the servers that asked of a user's presence; lost where they are away.

        Args:
            user_id: a user of this server.
            shown: as others may see it.
        """
        address = self.address_of(user_id)
        if address is not None and self.outbox.is_sending:
            self.jobs.add(("presence", user_id), partial(self._tell_presence, user_id, address, shown))

    def viewed(self, user_id: UserId, address: str) -> None:
        """A user of another server is looked at: their profile is asked for anew, where that was not done lately."""
        now = self._clock.now()
        if self.on_viewed is None or now - self._refreshed.get(user_id, -REFRESHED_EVERY_S) < REFRESHED_EVERY_S:
            return
        self._refreshed[user_id] = now
        self._refreshed.move_to_end(user_id)
        if len(self._refreshed) > MAX_REFRESHED:
            self._refreshed.popitem(last=False)
        self.jobs.add(("profile", user_id), partial(self.on_viewed, user_id, address))

    def watch(self, connection: Connection, address: str) -> None:
        """Asks a server to tell of the presence of one of its users."""
        domain = address.rpartition("@")[2]
        if self._is_permitted(connection, domain):
            queries.drop_untried(connection, domain, f"presence:{address}", "subscribe")
            self._enqueue(connection, domain, f"presence:{address}", "subscribe", {"user_address": address})

    async def ask_presence(self, address: str) -> None:
        """As `watch`, in a transaction of its own."""
        await self._database.write(partial(self.watch, address=address))
        self.outbox.wake()

    def tell_block(self, connection: Connection, domain: str, reason: str | None) -> None:
        """Tells a server that it is blocked; in the transaction that blocks it."""
        said = {} if reason is None else {"reason": reason}
        self._enqueue(connection, domain, "block", "block", said)

    def assert_permitted(self, connection: Connection, domain: str) -> None:
        """Refuses what would go to a server that is blocked or not federated with.

        Raises:
            Refusal: FED_BLOCKED, FED_POLICY_DENIED, or FED_UNAVAILABLE where too much waits for it already.
        """
        is_blocked, is_allowed = queries.listed(connection, domain)
        if is_blocked:
            raise refuse("FED_BLOCKED", f"This server has blocked {domain}.")
        if not permits(self.policy, is_allowed=is_allowed, is_blocked=False):
            raise refuse("FED_POLICY_DENIED", f"This server does not federate with {domain}.")
        most = self._settings.federation_queue_per_peer
        if queries.count_waiting(connection, domain, most) >= most:
            raise refuse("FED_UNAVAILABLE", f"{domain} has not answered for long: try again later.")

    def _is_permitted(self, connection: Connection, domain: str) -> bool:
        is_blocked, is_allowed = queries.listed(connection, domain)
        return permits(self.policy, is_allowed=is_allowed, is_blocked=is_blocked)

    def _enqueue(
        self,
        connection: Connection,
        domain: str,
        conversation: str,
        kind: str,
        said: dict[str, Any],
        *,
        msg_id: MessageId | None = None,
        author_id: UserId | None = None,
    ) -> None:
        queries.enqueue(
            connection,
            {
                "domain": domain,
                "conversation": conversation,
                "kind": kind,
                "body": msgspec.json.encode(said).decode(),
                "msg_id": msg_id,
                "author_id": author_id,
                "created_at": self._clock.unix_ms(),
            },
        )

    async def _send(self, delivery: Delivery, settled_before: int) -> None:
        """One attempt of a delivery; raises PeerFailure."""
        body, deadline_s = delivery.body.encode(), 10.0
        if delivery.kind == "message":
            said: dict[str, Any] = msgspec.json.decode(body)
            said |= {"sequence": delivery.id, "settled_before": settled_before}
            body = msgspec.json.encode(said)
            deadline_s = DEADLINE_WITH_FILES_S if said.get("files") else deadline_s
        path = _PATHS.get(delivery.kind)
        if path is None:
            raise PeerFailure(Answer(400, "VALIDATION_ERROR"), f"there are no deliveries of the kind {delivery.kind}")
        await self.client.send(
            delivery.domain,
            "POST",
            path,
            body,
            policy=self.policy,
            deadline_s=deadline_s,
            is_notice=delivery.kind == "block",
        )

    def _failed(self, delivery: Delivery, code: str) -> None:
        if delivery.kind == "message" and delivery.author_id is not None and delivery.msg_id is not None:
            dm_id = DmId(int(delivery.conversation.removeprefix("dm:")))
            self._tell(
                dm_delivery(user_id=delivery.author_id, dm_id=dm_id, msg_id=delivery.msg_id, state="failed", code=code)
            )

    async def _signal(self, domain: str, path: str, body: bytes) -> None:
        await self.client.send(domain, "POST", path, body, policy=self.policy, deadline_s=5.0)

    async def _tell_presence(self, user_id: UserId, address: str, shown: dict[str, Any]) -> None:
        domains = await self._database.read(partial(queries.subscribers, address=address, user_id=user_id))
        said: dict[str, Any] = {"user_address": address, "status": shown.get("status", "offline")}
        activity = shown.get("activity")
        if activity is not None:
            said["activity"] = msgspec.json.encode(activity).decode()
        body = msgspec.json.encode(said)
        for domain in domains:
            self.jobs.add(("notify", domain, user_id), partial(self._signal, domain, "/presence/notify", body))


def own_domain(text: str) -> str:
    """This server's domain in its one form.

    Raises:
        UsageError: it is none (invalid_setting).
    """
    domain = parse_domain(text)
    if domain is None:
        raise UsageError(
            f"VOX_FEDERATION_DOMAIN is wrong: {text!r} is no domain",
            code="invalid_setting",
            hint="give the domain alone, such as chat.example.com",
        )
    return domain


def _checked_key(settings: ChatSettings) -> str:
    private = settings.federation_private_key.get_secret_value()
    if private and settings.federation_public_key not in {"", key_pair(private).public}:
        raise UsageError(
            "VOX_FEDERATION_PUBLIC_KEY is not the public half of VOX_FEDERATION_PRIVATE_KEY",
            code="invalid_setting",
            hint="leave the public key out: it follows from the private one",
        )
    return private


def _outside(settings: ChatSettings) -> Outside:
    # By name, because the DNS library is wanted only where a server federates.
    module: Any = importlib.import_module("vox.chat.federation.resolver")
    resolver = cast("Resolver", module.DnsResolver(settings.federation_dns))
    guard = OutboundGuard(
        allowed_private=[ip_network(one) for one in settings.federation_allowed_private],
        allowed_ports=None,
        allowed_schemes=frozenset({"https"}),
        resolver=resolver.addresses if settings.federation_dns else None,
        ssl_context=_trusting(settings.federation_ca_file),
    )
    return Outside(resolver, guard)


def _trusting(ca_file: str) -> ssl.SSLContext | None:
    if not ca_file:
        return None
    context = httpx2.create_ssl_context()
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:
        raise UsageError(
            f"VOX_FEDERATION_CA_FILE is wrong: {error.strerror or 'it holds no certificates'}",
            code="invalid_setting",
            hint="give a file with the authorities' certificates in PEM",
        ) from None
    return context
