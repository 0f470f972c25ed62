"""The carrier simulator as a server: `async with CarrierSimulator() as simulator`, then point a carrier's SDK at `simulator.url`."""

import asyncio
import random
import secrets
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from vox.clients.carrier_simulator.api import SimulatorPolicy
from vox.clients.carrier_simulator.behaviour import Behaviour
from vox.clients.carrier_simulator.call import SimulatedCarrierCall
from vox.clients.carrier_simulator.call_events import Notice
from vox.clients.carrier_simulator.calls import Calls
from vox.clients.carrier_simulator.carriers.exotel import Exotel
from vox.clients.carrier_simulator.carriers.exotel_api import exotel_routes
from vox.clients.carrier_simulator.carriers.plivo import Plivo
from vox.clients.carrier_simulator.carriers.plivo_api import plivo_routes
from vox.clients.carrier_simulator.carriers.telnyx import Telnyx
from vox.clients.carrier_simulator.carriers.telnyx_api import telnyx_routes
from vox.clients.carrier_simulator.carriers.twilio import Twilio
from vox.clients.carrier_simulator.carriers.twilio_api import twilio_routes
from vox.clients.carrier_simulator.control_api import Control
from vox.clients.carrier_simulator.dialect import Dialect
from vox.clients.carrier_simulator.outgoing import Outgoing
from vox.clients.carrier_simulator.record import CallbackTarget, LoggedEvent
from vox.clients.carrier_simulator.requests import TelnyxKey
from vox.clients.carrier_simulator.scenario import Rule, Scenario
from vox.clients.carrier_simulator.voices import Speaker, Voices
from vox.errors import UsageError
from vox.http.dispatch import Dispatcher
from vox.http.routing import Router
from vox.http.server import Server
from vox.runtime.clock import Clock, SystemClock
from vox.security.addresses import Network

MAX_TRACK_S: Final = 120.0
CLOSE_TIMEOUT_S: Final = 0.5
"""How long requests that are held on purpose may delay the end."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that the simulated carriers know; the defaults open nothing but a simulator.

    Attributes:
        telnyx_seed: 32 bytes of the Ed25519 key that Telnyx's webhooks are signed with.
    """

    twilio_account_sid: str = "AC00000000000000000000000000000000"
    twilio_auth_token: str = field(default="simulated-twilio-token", repr=False)
    telnyx_api_key: str = field(default="simulated-telnyx-key", repr=False)
    telnyx_seed: bytes = field(default=b"simulated-telnyx-signing-key-32b", repr=False)
    plivo_auth_id: str = "MA000000000000000000"
    plivo_auth_token: str = field(default="simulated-plivo-token", repr=False)
    exotel_account_sid: str = "exotel1"
    exotel_api_key: str = "simulated-exotel-key"
    exotel_api_token: str = field(default="simulated-exotel-token", repr=False)


class CarrierSimulator:
    """Carriers for tests and for development: nothing here reaches a telephone network.

    Args:
        scenario: how calls go; by default a person answers after two seconds and listens.
        accounts: the credentials that the APIs take, and that callbacks are signed with.
        host: address to listen on.
        port: 0 picks a free one.
        speed: how many times faster than real time ringing runs.
        speaker: turns texts of the scenario into speech.
        networks: where callbacks and streams may go, besides this machine.
        tls: how the certificates of `https` and `wss` addresses are checked; None for what the system trusts.
        clock: the time.
        random_bits: random bits for ids.
        max_track_s: how many seconds of each call's audio are kept, and of calls that are over for the last 100 only.
        on_end: hears of each call when its last callback is out.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        accounts: Accounts | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        speaker: Speaker | None = None,
        networks: Sequence[Network] = (),
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        random_bits: Callable[[int], int] = secrets.randbits,
        max_track_s: float = MAX_TRACK_S,
        on_end: Callable[[SimulatedCarrierCall], None] | None = None,
    ) -> None:
        self.accounts = known = accounts or Accounts()
        self.clock = clock or SystemClock()
        self._voices = Voices(speaker)
        self.calls = Calls(
            scenario or Scenario(),
            voices=self._voices,
            outgoing=Outgoing(networks, tls=tls),
            clock=self.clock,
            random_bits=random_bits,
            speed=speed,
            max_track_s=max_track_s,
            on_end=on_end,
        )
        self.twilio = Twilio(known.twilio_account_sid, known.twilio_auth_token)
        self.telnyx = Telnyx(known.telnyx_api_key, TelnyxKey(known.telnyx_seed))
        self.plivo = Plivo(known.plivo_auth_id, known.plivo_auth_token)
        self.exotel = Exotel(known.exotel_account_sid, known.exotel_api_key, known.exotel_api_token)
        self._dialects: Mapping[str, Dialect] = {
            one.carrier: one for one in (self.twilio, self.telnyx, self.plivo, self.exotel)
        }
        control = Control(
            self.calls,
            about=self.about,
            set_scenario=self.set_scenario,
            add_rule=lambda rule: self.add_rule(rule.to, rule.behaviour),
            call_in=self.call_in,
        )
        self.app = Dispatcher(
            Router(
                twilio_routes(self.calls, self.twilio),
                telnyx_routes(self.calls, self.telnyx),
                plivo_routes(self.calls, self.plivo),
                exotel_routes(self.calls, self.exotel),
                control.routes(),
            ),
            SimulatorPolicy(self._dialects),
            self.clock,
            lifespan=nullcontext,
        )
        self._server = Server(self.app, host, port, close_timeout_s=CLOSE_TIMEOUT_S)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.set_scenario(self.calls.scenario)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._server)
            stack.push_async_callback(self.calls.close)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """The base address of every simulated REST API."""
        return self._server.address

    def about(self) -> dict[str, Any]:
        """The carriers and their accounts, without secrets."""
        known = self.accounts
        return {
            "url": self.url,
            "carriers": {
                "twilio": {"account_sid": known.twilio_account_sid},
                "telnyx": {"public_key": self.telnyx.key.public_key},
                "plivo": {"auth_id": known.plivo_auth_id},
                "exotel": {"account_sid": known.exotel_account_sid, "flows": [*self.exotel.flows]},
            },
            "calls": sum(1 for _ in self.calls),
            "rules": [rule.to for rule in self.calls.scenario.rules],
        }

    async def set_scenario(self, scenario: Scenario) -> None:
        """How calls go that are placed from now on.

        Raises:
            UsageError: the scenario speaks and nothing here can, or a file of it cannot be played.
        """
        await self._voices.prepare(scenario.behaviours())
        self.calls.scenario = scenario
        self.telnyx.webhook_url = scenario.telnyx_webhook_url
        self.exotel.flows = scenario.exotel_flows

    async def add_rule(self, to: str, behaviour: Behaviour) -> None:
        """Puts a rule before the others."""
        present = self.calls.scenario
        await self.set_scenario(replace(present, rules=(Rule(to, behaviour), *present.rules)))

    async def wait_for(
        self, condition: Callable[[SimulatedCarrierCall], bool], *, timeout_s: float = 60.0
    ) -> SimulatedCarrierCall:
        """The first call for which a condition holds, as soon as there is one.

        Raises:
            TimeoutError: there was none in time.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                found = next((call for call in self.calls if condition(call)), None)
                if found is not None:
                    return found
                await self.calls.changed()

    async def wait_for_event(
        self, kind: str, *, call_id: str = "", times: int = 1, timeout_s: float = 60.0
    ) -> list[LoggedEvent]:
        """The events of a kind, as soon as there are so many.

        Raises:
            TimeoutError: there were not so many in time.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                found = [one for one in self.calls.events if one.kind == kind and call_id in {"", one.call_id}]
                if len(found) >= times:
                    return found
                await self.calls.changed()

    def call_in(
        self, carrier: str, *, url: str, from_: str, to: str, status_url: str = "", uses_commands: bool = False
    ) -> SimulatedCarrierCall:
        """Calls a customer's number: its webhook `url` is asked what to do.

        Args:
            carrier: whose number it is.
            url: the webhook; of Exotel the applet's address.
            from_: the caller.
            to: the number that is called; the scenario's rules for it decide what the caller does.
            status_url: where the end of the call is reported to; empty for nowhere.
            uses_commands: for Telnyx, whether the webhook belongs to call control, rather than to TeXML.

        Raises:
            UsageError: `unknown_carrier`.
        """
        dialect = self._dialects.get(carrier)
        if dialect is None:
            raise UsageError(
                f"there is no carrier {carrier!r}",
                code="unknown_carrier",
                hint=f"choose one of {', '.join(self._dialects)}",
            )
        if uses_commands and carrier == "telnyx":
            order = self.telnyx.inbound_order_with_commands(to=to, from_=from_, url=url)
        else:
            order = dialect.inbound_order(to=to, from_=from_, url=url)
            if status_url:
                order = replace(order, callbacks={Notice.COMPLETED: CallbackTarget(status_url)})
        return self.calls.start(dialect, order, account="")


def seeded_bits(seed: int) -> Callable[[int], int]:
    """Random bits that are the same in every run, for ids that tests can name."""
    return random.Random(seed).getrandbits  # noqa: S311  ids of a simulator, not secrets
