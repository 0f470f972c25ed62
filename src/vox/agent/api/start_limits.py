"""How often one address may start: a bucket a minute for each public network, a larger one for private addresses."""

from typing import Final

from vox.agent.api.pages import Refusal
from vox.agent.metrics import SESSIONS_REFUSED
from vox.agent.server import AgentServer
from vox.http.call import HttpCall
from vox.http.rate_limits import MemoryRateLimits, RateCategory
from vox.security.addresses import is_global, network_key, parse_address

PRIVATE_FACTOR: Final = 50
"""A private address is mostly a proxy's or a gateway's, with many clients behind it."""
SECONDS: Final = 60


class StartLimits:
    """The limit `max_starts_per_minute` of one server."""

    def __init__(self, server: AgentServer) -> None:
        self._server = server
        per_minute = server.settings.max_starts_per_minute
        self._limits = MemoryRateLimits(1.0 if per_minute else 0.0)
        self._public, self._private = (
            RateCategory(name, max(1, rate), max(1, rate) / SECONDS)
            for name, rate in (("public", per_minute), ("private", per_minute * PRIVATE_FACTOR))
        )

    def check(self, call: HttpCall) -> None:
        """Counts a request.

        Raises:
            Refusal: its address has had as many as it may.
        """
        address = parse_address(call.client)
        category = self._public if address is not None and is_global(address) else self._private
        decision = self._limits.take(network_key(call.client), category, self._server.clock.now())
        if decision.retry_after_s is not None:
            self._server.metrics.counter(SESSIONS_REFUSED, "rate").inc()
            seconds = max(1, round(decision.retry_after_s + 0.5))
            message = f"Too many sessions are started from your address; try again in {seconds} s."
            raise Refusal(429, "RATE_LIMIT_EXCEEDED", message, headers={"retry-after": str(seconds)})
