"""A call worker without audio: slots, calls and a drain, as `RegisteredWorker` asks for them. It counts like a real one and notes
whether it was ever over its limit.
"""

from vox.protocols.fleet import DRAINING, FULL, READY, Accept, Busy, Offer, Register, RunningCall, Status


class FakeWorker:
    """Takes calls up to its limit; a share of the slots is kept for inbound ones."""

    def __init__(
        self, worker_id: str = "w-1", limit: int = 10, *, generation: int = 1, inbound_reserve: int = 0, **more
    ):
        self.worker_id = worker_id
        self.generation = generation
        self.limit = limit
        self.inbound_reserve = inbound_reserve
        self.more = more
        self.state = READY
        self.running: dict[str, RunningCall] = {}
        self.reserved: dict[str, Offer] = {}
        self.made = 0
        self.most = 0
        self.most_outbound = 0
        self.offers: list[Offer] = []
        self.renewed: list[str] = []
        self.released: list[str] = []
        self.drains: list[float] = []
        self.commands: list[tuple[str, ...]] = []

    @property
    def used(self) -> int:
        return len(self.running) + len(self.reserved)

    @property
    def outbound(self) -> int:
        kinds = [one.call_class for one in (*self.running.values(), *self.reserved.values())]
        return sum(kind != "inbound" for kind in kinds)

    @property
    def free_outbound(self) -> int:
        return max(0, min(self.limit - self.used, self.limit - self.inbound_reserve - self.outbound))

    def registration(self) -> Register:
        return Register(
            self.worker_id, self.generation, max_calls=self.limit, calls=list(self.running.values()), **self.more
        )

    def status(self) -> Status:
        state = FULL if self.state == READY and self.used >= self.limit else self.state
        return Status(
            active=len(self.running),
            reserved=len(self.reserved),
            max_calls=self.limit,
            limit=0 if self.state == DRAINING else self.limit,
            state=state,
            load=self.used / max(self.limit, 1),
            free_outbound=self.free_outbound,
            drain_left_s=self.drains[0] if self.drains else None,
        )

    def reserve(self, offer: Offer) -> Accept | Busy:
        self.offers.append(offer)
        is_free = self.used < self.limit if offer.call_class == "inbound" else self.free_outbound > 0
        if self.state == DRAINING or not is_free:
            return Busy(offer.offer_id, 3.0, "DRAINING" if self.state == DRAINING else "AT_CAPACITY")
        self.made += 1
        reservation_id = f"rsv_{self.worker_id}_{self.generation}_{self.made}"
        self.reserved[reservation_id] = offer
        self.most = max(self.most, self.used)
        self.most_outbound = max(self.most_outbound, self.outbound)
        return Accept(offer.offer_id, reservation_id, f"token-{reservation_id}", f"ws://{self.worker_id}/stream")

    def start(self, reservation_id: str) -> RunningCall:
        """The media of a reserved call has come."""
        offer = self.reserved.pop(reservation_id)
        call = RunningCall(offer.call_id, offer.call_class, 1)
        self.running[call.call_id] = call
        return call

    def watch(self, call_id: str, ttl_s: float, after_ms: int) -> None:
        self.commands.append(("watch", call_id))

    def renew(self, reservation_id: str, ttl_s: float) -> None:
        self.renewed.append(reservation_id)

    def release(self, reservation_id: str) -> None:
        self.released.append(reservation_id)
        self.reserved.pop(reservation_id, None)

    def drain(self, deadline_s: float) -> None:
        self.state = DRAINING
        self.drains.append(deadline_s)

    def hang_up(self, call_id: str) -> None:
        self.commands.append(("hang_up", call_id))

    def transfer(self, call_id: str, to: str) -> None:
        self.commands.append(("transfer", call_id, to))

    def inject(self, call_id: str, text: str) -> None:
        self.commands.append(("inject", call_id, text))
