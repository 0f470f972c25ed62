"""Whose login a token is: one answer for REST and the gateway, from memory where it was looked up within half a minute.

Revocation does not wait for that half minute: whatever ends a login emits `login_revoked`, an event for servers only, and
every process forgets the login and closes its sockets when it sees the event. Whether the user is still a member is checked
against the community at each call.
"""

import asyncio
import math
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from vox.chat.community import Community
from vox.chat.community.state import Person
from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import ChatSettings
from vox.chat.errors import Refusal, rate_limited, refuse
from vox.chat.events import Event
from vox.chat.events.ids import LoginId, UserId
from vox.chat.events.kinds import DEVICE_LOGIN, LOGGED_OUT, LOGIN_REVOKED
from vox.chat.identity import queries
from vox.chat.identity.password_guesses import KnownAddresses
from vox.chat.identity.profiles import Profiles
from vox.http.rate_limits import RefusedTokens
from vox.runtime.clock import Clock
from vox.security.addresses import network_key
from vox.security.passwords import Cost, Passwords
from vox.security.tokens import digest
from vox.stores.sql import SqlDatabase

REFUSED_BURST: Final = 60
REFUSED_PERIOD_S: Final = 60.0
"""REST: so many unknown tokens of one address in this time cost a read of the database each, the next are refused without."""
TICKET_PREFIXES: Final = ("mfa_", "setup_totp_", "setup_webauthn_", "fed_", "reset_", "oidc_")
LONGEST_TOKEN: Final = 512
REMEMBERED_S: Final = 30.0
MAX_REMEMBERED: Final = 100_000
"""Tokens kept in memory; beyond it the oldest is dropped and read from the database again."""
USE_RECORDED_EVERY_S: Final = 300
LOOK_UPS: Final = 10
"""Tries to read a login while others end."""
NEW_USER_WAIT_S: Final = 1.0
"""How long the event of a registration may take from another process."""
NEW_USER_TRIES: Final = 20

OnDeviceLogin = Callable[[UserId, Collection[LoginId], bool], None]
"""Takes a user, some of their logins, and whether these receive no events of keys any more."""
OnRevoked = Callable[[UserId, Collection[LoginId] | None, str], None]
"""Takes a user, which of their logins have ended (None for all of them), and the reason for their sockets."""


@dataclass(frozen=True, slots=True)
class Login:
    """The owner of a token and its row in `sessions`.

    Args:
        user_id: the owner.
        session_id: the row.
        expires_at: Unix seconds, as of the look-up; using the token may extend it.
        is_bot: whether the token is a bot's, which manages no logins.
        is_keyless: whether its device was removed, as of the look-up, so that it receives no events of keys.
    """

    user_id: UserId
    session_id: LoginId
    expires_at: float = field(default=math.inf, compare=False)
    is_bot: bool = field(default=False, compare=False)
    is_keyless: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Known:
    login: Login
    until: float


class LoginCache:
    """The logins of a server.

    Args:
        settings: the cost of passwords, the bounds of logins.
        database: where logins are kept.
        community: says who is a member.
        config: how long a login lasts.
        clock: wall time and monotonic time.
    """

    def __init__(
        self, settings: ChatSettings, database: SqlDatabase, community: Community, config: Config, clock: Clock
    ) -> None:
        self.passwords = Passwords(
            Cost(settings.password_memory_kib, settings.password_passes),
            threads=settings.password_threads,
            waiting=settings.password_waiting,
        )
        self.profiles = Profiles(database.read)
        self._settings = settings
        self._database = database
        self._community = community
        self._config = config
        self._clock = clock
        self._on_revoked: OnRevoked | None = None
        self._on_device_login: OnDeviceLogin | None = None
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self.revocations = 0
        """Increases with every login that ends, so that a caller who waited after a look-up notices."""
        scale = settings.rate_limit_scale
        self.addresses = KnownAddresses()
        self.refused = RefusedTokens(REFUSED_BURST * scale, REFUSED_PERIOD_S) if scale else None

    def on_revoked(self, on_revoked: OnRevoked) -> None:
        """Names who is told of logins that have ended, after they are forgotten here."""
        self._on_revoked = on_revoked

    def on_device_login(self, on_device_login: OnDeviceLogin) -> None:
        """Names who is told of logins whose device was removed, or registered again."""
        self._on_device_login = on_device_login

    async def authenticate_member(self, token: str, source: str = "") -> Login:
        """The login of a member.

        Args:
            token: what the client sent.
            source: the client's address, whose unknown tokens are counted; empty where they are counted elsewhere.

        Raises:
            Refusal: AUTH_FAILED for a token that is not for logging in, AUTH_EXPIRED for unknown and expired ones, BANNED, KICKED
                or NOT_A_MEMBER for a user who is no longer a member, UNAVAILABLE for a user that this process does not know yet, AUTH_RATE_LIMITED for
                an unknown token from an address that has sent too many of them.
        """
        login = await self.authenticate(token, source)
        person = self._community.users.get(login.user_id)
        if person is None or not person.is_active:
            await self.member(login.user_id)
        return login

    async def member(self, user_id: UserId) -> Person:
        """An active member; waits a moment for a user who has just registered in another process.

        Raises:
            Refusal: BANNED, KICKED, NOT_A_MEMBER or UNAVAILABLE, as for `authenticate_member`.
        """
        users = self._community.users
        for _ in range(NEW_USER_TRIES):
            if user_id in users:
                break
            await asyncio.sleep(NEW_USER_WAIT_S / NEW_USER_TRIES)
            users = self._community.users
        person = users.get(user_id)
        if person is None:
            raise refuse("UNAVAILABLE", "This account is not known to this server yet; try again.", retry_after_ms=1000)
        if not person.is_active:
            raise no_member(await self._database.read(partial(queries.why_no_member, user_id=user_id)))
        return person

    def is_known(self, token: str) -> bool:
        """Whether a token is in memory as that of a login."""
        return len(token) <= LONGEST_TOKEN and digest(token) in self._known

    async def authenticate(self, token: str, source: str = "") -> Login:
        """The login of a user, member or not; only for rejoining the community.

        Raises:
            Refusal: AUTH_FAILED, AUTH_EXPIRED or AUTH_RATE_LIMITED.
        """
        if token.startswith(TICKET_PREFIXES):
            raise refuse("AUTH_FAILED", "This token is not for logging in.")
        if not token or len(token) > LONGEST_TOKEN:
            raise _expired()
        key = digest(token)
        known = self._known.get(key)
        if known is not None and known.until > self._clock.now():
            return known.login
        if not source or self.refused is None:
            return await self._look_up(key)
        address, now = network_key(source), self._clock.now()
        if known is not None:
            return self._seen(await self._look_up(key), address)
        wait_s = self.refused.wait_s(address, now)
        if wait_s:
            raise rate_limited(wait_s, "Too many unknown tokens", "AUTH_RATE_LIMITED")
        try:
            return self._seen(await self._look_up(key), address)
        except Refusal:
            self.refused.add(address, now)
            raise

    def apply(self, event: Event) -> None:
        """Forgets the logins and the profile that an event of this or another process changed."""
        if event.type == LOGIN_REVOKED:
            facts = event.facts
            self._revoke(facts["user_id"], facts.get("session_ids"), facts.get("reason", LOGGED_OUT))
        elif event.type == DEVICE_LOGIN:
            facts = event.facts
            self._forget(facts["user_id"], frozenset(facts["session_ids"]))
            if self._on_device_login is not None:
                self._on_device_login(facts["user_id"], facts["session_ids"], facts["is_keyless"])
        elif event.type == "user_update":
            self.profiles.forget(event.payload["user_id"])

    def forget_all(self) -> None:
        """Forgets all tokens and profiles, because revocations may have been missed."""
        with self._lock:
            self.revocations += 1
            self._known = {}
        self.profiles.forget_all()

    def close(self) -> None:
        """Ends the threads that hash passwords."""
        self.passwords.close()

    def _seen(self, login: Login, address: str) -> Login:
        self.addresses.add(login.user_id, address)
        return login

    async def _look_up(self, key: str) -> Login:
        for _ in range(LOOK_UPS):
            before = self.revocations
            login = await self._read(key)
            until = self._clock.now() + min(REMEMBERED_S, login.expires_at - self._clock.wall().timestamp())
            with self._lock:
                # A revocation while the row was read may concern it; then it is read again.
                if before == self.revocations:
                    self._known.pop(key, None)
                    if len(self._known) >= MAX_REMEMBERED:
                        self._known.pop(next(iter(self._known)))
                    self._known[key] = _Known(login, until)
                    return login
        raise refuse("UNAVAILABLE", "Too many logins are ending at the moment; try again.", retry_after_ms=1000)

    async def _read(self, key: str) -> Login:
        row = await self._database.read(partial(queries.find_session, digest=key))
        now_s = self._clock.unix_s()
        if row is None or row.expires_at <= now_s:
            with self._lock:
                self._known.pop(key, None)
            raise _expired()
        if row.kind == queries.DISABLED_BOT:
            raise refuse("BOT_DISABLED", "This bot is disabled; its owner or a holder of MANAGE_SERVER can enable it.")
        ttl_s = self._config.session_ttl_s
        absolute_s = row.created_at + max(self._settings.session_max_days * 86_400, ttl_s)
        expires_at = row.expires_at
        if expires_at - now_s < ttl_s / 2:
            expires_at = max(expires_at, min(now_s + ttl_s, absolute_s))
        if expires_at != row.expires_at or now_s - (row.last_used_at or 0) >= USE_RECORDED_EVERY_S:
            await self._database.write(
                partial(queries.record_use, session_id=row.id, now_s=now_s, expires_at=expires_at)
            )
        return Login(row.user_id, row.id, expires_at, is_bot=row.kind == queries.BOT, is_keyless=row.is_keyless)

    def _revoke(self, user_id: UserId, session_ids: Sequence[LoginId] | None, reason: str) -> None:
        ended = None if session_ids is None else frozenset(session_ids)
        self._forget(user_id, ended)
        if self._on_revoked is not None:
            self._on_revoked(user_id, ended, reason)

    def _forget(self, user_id: UserId, ended: Collection[LoginId] | None) -> None:
        with self._lock:
            self.revocations += 1
            self._known = {
                key: known
                for key, known in self._known.items()
                if known.login.user_id != user_id or (ended is not None and known.login.session_id not in ended)
            }


def no_member(why: queries.Gone) -> Refusal:
    """The refusal of a user who is no longer a member.

    Args:
        why: whether they were banned or kicked, or left.
    """
    if why == "banned":
        return refuse("BANNED", "You are banned from this community.")
    if why == "kicked":
        return refuse("KICKED", "You were removed from this community; a new invite lets you rejoin.")
    return refuse("NOT_A_MEMBER", "You have left this community; an invite lets you rejoin.")


def _expired() -> Exception:
    return refuse("AUTH_EXPIRED", "The token is unknown or has expired.")
