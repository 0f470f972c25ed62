"""Bounds the guesses at one account's password from many addresses, without locking its owner out.

The limit by address stops one guesser; a botnet or an IPv6 allocation has thousands of addresses. Therefore all addresses that an
account has never been used from share one bucket of that account. Addresses it has been used from do not touch the bucket, so that
a stranger who empties it does not keep the owner out.
"""

import threading
from collections import OrderedDict
from typing import Final

from vox.chat.errors import rate_limited
from vox.chat.events.ids import UserId
from vox.http.rate_limits import RateCategory, RateDecision, RateLimits
from vox.security.addresses import network_key
from vox.security.tokens import digest

GUESSES: Final = RateCategory("guesses", 20, 1 / 60)
"""Logins of one account from addresses that it has not been used from: twenty at once, then one a minute."""
CODES: Final = RateCategory("codes", 10, 1 / 300)
"""Codes of one account's second factor: ten at once, then one in five minutes. A stranger with the password needs centuries."""
MAX_KNOWN: Final = 100_000
"""Pairs of account and address that are remembered; the one unused for longest is forgotten first."""


class KnownAddresses:
    """The addresses that accounts were used from since this process started.

    Args:
        most: pairs that are remembered.
    """

    def __init__(self, most: int = MAX_KNOWN) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[UserId, str], None] = OrderedDict()

    def add(self, user_id: UserId, network: str) -> None:
        """Remembers that a login of the account was used from this network (see `network_key`)."""
        with self._lock:
            self._seen[user_id, network] = None
            self._seen.move_to_end((user_id, network))
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)

    def has(self, user_id: UserId, network: str) -> bool:
        """Whether the account was used from there."""
        return (user_id, network) in self._seen


async def take_guess(
    limits: RateLimits, known: KnownAddresses, *, user_id: UserId | None, username: str, address: str, now: float
) -> None:
    """Counts a login before its password is checked.

    Args:
        limits: keep the buckets.
        known: whose addresses are not counted.
        user_id: the account aimed at; None where there is none of that name, which is counted in the same way, so that the refusal
            does not tell whether an account exists.
        username: as the client wrote it.
        address: of the client.
        now: monotonic seconds.

    Raises:
        Refusal: AUTH_RATE_LIMITED.
    """
    if user_id is not None and known.has(user_id, network_key(address)):
        return
    account = f"account:{user_id}" if user_id is not None else f"name:{digest(username.casefold())}"
    decision = limits.take(account, GUESSES, now)
    if not isinstance(decision, RateDecision):
        decision = await decision
    if decision.retry_after_s is not None:
        raise rate_limited(
            decision.retry_after_s, "Too many logins of this account from new addresses", "AUTH_RATE_LIMITED"
        )


async def take_code_guess(
    limits: RateLimits, known: KnownAddresses, *, user_id: UserId, address: str, now: float
) -> None:
    """Counts a code of a second factor before it is checked; each address that the account was used from has a count of its own.

    Args:
        limits: keep the buckets.
        known: the addresses that accounts were used from.
        user_id: whose code.
        address: of the client.
        now: monotonic seconds.

    Raises:
        Refusal: AUTH_RATE_LIMITED.
    """
    network = network_key(address)
    whose = f"codes:{user_id}:{network}" if known.has(user_id, network) else f"codes:{user_id}"
    decision = limits.take(whose, CODES, now)
    if not isinstance(decision, RateDecision):
        decision = await decision
    if decision.retry_after_s is not None:
        raise rate_limited(decision.retry_after_s, "Too many codes of this account", "AUTH_RATE_LIMITED")
