"""The campaigns of a bridge, put together: their rules in the calls, the runner that dials, and what the routes use."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final, Self

from vox.fleet.accounts.bots import find_bot
from vox.fleet.calls.carriers import check_carrier
from vox.fleet.calls.dialling import DialParts
from vox.fleet.calls.webhooks import signature
from vox.fleet.campaigns.imports.importing import Imports
from vox.fleet.campaigns.outcomes import CampaignOutcomes
from vox.fleet.campaigns.pre_dial import WebhookCheck
from vox.fleet.campaigns.runner import CampaignRunner, Parts
from vox.fleet.campaigns.service import Campaigns
from vox.security.outbound import OutboundGuard
from vox.stores.leases import SqlLeases
from vox.stores.sql import Connection

EVENT: Final = "campaign.pre_dial"


class BridgeCampaigns:
    """Campaigns, while the block runs.

    Args:
        parts: what the calls stand on.
        guard: for the operator's checks.
        secret: signs them.
        default_provider: the carrier of campaigns that name none.
    """

    def __init__(
        self, parts: DialParts, guard: OutboundGuard, secret: Callable[[], str], *, default_provider: str
    ) -> None:
        self._parts = parts
        self._secret = secret
        self._default_provider = default_provider
        self._leases = SqlLeases(parts.database, parts.clock)
        outcomes = CampaignOutcomes(parts.clock)
        parts.journal.add_outcome_hook(outcomes.on_outcome)
        parts.journal.add_dial_gate(outcomes.may_dial)
        self.outcomes = outcomes
        self.runner = CampaignRunner(
            Parts(
                parts.database,
                parts.journal,
                self._leases,
                parts.clock,
                parts.metrics,
                WebhookCheck(guard, self._signed),
                self._free_slots,
                lambda provider: parts.carriers.limits(provider).calls_per_second,
                # A file has one bridge at a time, which may take up at once what the one before has left.
                "bridge" if parts.database.is_sqlite else parts.holder,
            )
        )
        self.service = Campaigns(
            parts.database,
            parts.journal,
            parts.clock,
            bot_exists=_has_bot,
            carrier_of=self._carrier_of,
            check_url=guard.check_url,
            runner=self.runner,
        )
        self.imports = Imports(parts.database, parts.clock)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._leases.create()
        await self._stack.enter_async_context(self.runner)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    def _free_slots(self) -> int | None:
        """How many calls the workers that are heard could take; None where none is, and then nothing is dialled.

        Just after a start there may be more workers than have registered; the slots of those that have are there all the same.
        """
        if not self._parts.lifecycle.is_accepting:
            return 0
        fleet = self._parts.dispatcher.fleet()
        return fleet.available if any(not worker.is_stale for worker in fleet.workers) else None

    def _carrier_of(self, name: str) -> tuple[str, str]:
        provider = name or self._default_provider
        check_carrier(provider)
        return provider, self._parts.carriers.limits(provider).from_number

    def _signed(self, body: bytes) -> dict[str, str]:
        at_s = self._parts.clock.unix_s()
        return {"x-vox-event": EVENT, "x-vox-signature": signature(self._secret(), at_s, body.decode())}


def _has_bot(connection: Connection, bot_id: str) -> bool:
    bot = find_bot(connection, bot_id)
    return bot is not None and bot.is_active
