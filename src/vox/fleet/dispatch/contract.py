"""What the rest of the bridge knows of dispatch: how to get a slot at a worker, and what is heard of the calls there.

The one thing to know: `place` always answers within `PLACE_DEADLINE_S`, with a reserved slot or with a reason and a time to come back.
A slot that is not used is given back with `release`, or frees itself when its reservation ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

from vox.protocols.fleet import CallClass, RunningCall

PLACE_DEADLINE_S: Final = 2.0
OFFER_DEADLINE_S: Final = 1.0
"""A worker that has not answered an offer by then is passed over; an acceptance that comes later is released."""

BusyReason: TypeAlias = Literal["AT_CAPACITY", "DRAINING", "NO_WORKERS", "NO_ANSWER"]
"""`AT_CAPACITY`: no slot for this class of call; `DRAINING`: every worker is; `NO_WORKERS`: none that may take this call is
connected; `NO_ANSWER`: those asked did not answer in time."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A call that needs a worker.

    Args:
        call_id: of the call, the same over all attempts to place it.
        call_class: `outbound` and `campaign` calls leave the slots alone that workers keep for `inbound` ones.
        bot_id: which bot talks.
        region: where the worker should stand; "" for anywhere.
        provider: the carrier; a worker that lists transports must list it.
        relay_region: where the caller's relay or media edge stands, if known.
        model_region: where the bot's model answers from, if known.
        ttl_s: how long the slot is kept without media: the ring time and some seconds more. The dispatcher renews it meanwhile, so
            that a bridge that dies leaves no slot taken for longer than `RESERVATION_TTL_S`.
        metadata: passed on to the worker.
    """

    call_id: str
    call_class: CallClass
    bot_id: str
    region: str = ""
    provider: str = ""
    relay_region: str = ""
    model_region: str = ""
    ttl_s: float = 60.0
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Placed:
    """A reserved slot: the media stream goes to `stream_url` and brings `token` as a parameter.

    Attributes:
        is_resumable: whether the call can go on with another stream when this one is over.
    """

    worker_id: str
    stream_url: str
    token: str = field(repr=False)
    reservation_id: str
    is_resumable: bool = False


@dataclass(frozen=True, slots=True)
class Busy:
    """No slot now."""

    retry_after_s: float
    reason: BusyReason


@dataclass(frozen=True, slots=True)
class HangUp:
    """Ends the call."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hands the call over to another number or address."""

    to: str


@dataclass(frozen=True, slots=True)
class Inject:
    """Gives the agent a text in the running call."""

    text: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Has the words of the call told as progress, for `ttl_s` and at once those after `after_ms`."""

    ttl_s: float
    after_ms: int = 0


CallCommand: TypeAlias = HangUp | Transfer | Inject | Watch


@dataclass(frozen=True, slots=True)
class CallView:
    """A call that runs at a worker; `since_ms` is Unix time."""

    call_id: str
    call_class: CallClass
    since_ms: int
    worker_id: str


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker as the registry knows it.

    Args:
        url: of its HTTP routes.
        limit: what it takes now, at most `max_calls`.
        is_static: it is polled, from the list `voxcore_fleet`.
        is_stale: nothing was heard of it for a lease; its numbers are the last known ones and count for nothing.
        age_s: seconds since it was heard.
        drain_left_s: until the deadline of its drain; None while it does not drain, or does not say.
    """

    worker_id: str
    url: str
    state: str
    active: int
    reserved: int
    max_calls: int
    limit: int
    region: str
    generation: int
    version: str
    pid: int
    is_static: bool
    is_stale: bool
    age_s: float
    drain_left_s: float | None = None


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """All workers, and the totals over those that are not stale.

    Args:
        is_known: whether the totals may be relied on; not just after a start, and not while every worker that is known is silent.
    """

    workers: tuple[WorkerView, ...]
    active: int
    reserved: int
    max_calls: int
    available: int
    is_known: bool


class DispatchListener(Protocol):
    """Hears of the calls at the workers, for each worker in the order in which things happened."""

    async def on_registered(self, worker_id: str, calls: Sequence[RunningCall]) -> None:
        """A worker has (re-)connected, and these calls run there: all that it has.

        After a restart of the bridge this is where calls are found again; a call that the bridge believed there and that is not
        named has ended or was lost.
        """
        ...

    async def on_ended(self, call_id: str, outcome: str, result: Mapping[str, Any]) -> None:
        """A call has ended. The worker repeats it until this returns without an error, so it may come twice."""
        ...

    async def on_progress(self, call_id: str, event: str, data: Mapping[str, Any]) -> None:
        """Something happened in a call; for display, not to be relied on."""
        ...

    async def on_lost(self, worker_id: str, call_ids: Sequence[str]) -> None:
        """A worker's lease has ended with these calls on it. Should it return with some of them, `on_registered` names those."""
        ...


class Dispatcher(Protocol):
    """Places calls on workers."""

    async def place(self, call: Placement) -> Placed | Busy:
        """Reserves a slot, within `PLACE_DEADLINE_S`."""
        ...

    def is_running(self, call_id: str) -> bool:
        """Whether a worker that can be reached has the call, as far as it has told, or its word on the end is not recorded yet."""
        ...

    async def release(self, placed: Placed) -> None:
        """Gives a slot back that no media stream has taken."""
        ...

    async def command(self, call_id: str, command: CallCommand) -> None:
        """Passes a command on to the worker that has the call.

        Raises:
            UsageError: `call_not_found`, no connected worker has the call.
            DependencyError: `worker_unreachable`.
        """
        ...

    async def drain(self, worker_id: str, deadline_s: float) -> None:
        """Has a worker take no further calls.

        Raises:
            UsageError: `worker_not_found`.
            DependencyError: `worker_unreachable`.
        """
        ...

    def fleet(self) -> FleetStatus:
        """What is known of the workers at this moment."""
        ...

    def calls(self) -> Sequence[CallView]:
        """The calls that run at workers which are heard, as far as these have told; inbound ones too."""
        ...
