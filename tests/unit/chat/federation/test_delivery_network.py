"""No message lost, repeated or out of order: the real queue and the real receipts over a network that fails in every way.

Two servers with their own SQLite databases run the production statements (`federation.queries`), decisions (`federation.delivery`) and
the units that conclude an attempt and note a receipt. Time, network and chance are the test's: processes die between any two steps,
requests and answers are lost, doubled and delayed, servers are cut off, clocks jump and are set back.
"""

import contextlib
import random
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from vox.chat.database.schema import federation_outbox, federation_peers, federation_received
from vox.chat.events.ids import MessageId
from vox.chat.federation import queries
from vox.chat.federation.delivery import Answer, RetryTimes, verdict_of
from vox.chat.federation.outbox import conclude
from vox.chat.federation.queries import Delivery

TIMES: Final = RetryTimes(first_s=2.0, longest_s=600.0, give_up_s=604_800.0)
KILLS: Final = 10_000
CONVERSATIONS: Final = 4
LATE_AT_ONCE: Final = 40
"""Doubled requests that are still on their way: a network delays for minutes, not for thousands of messages."""
SKEW_S: Final = 300


class Killed(Exception):  # noqa: N818  what happens to a process
    """The process died here."""


@dataclass(slots=True)
class Node:
    """One server: its database outlives it, nothing else does."""

    name: str
    engine: Engine
    clock_off_ms: int = 0
    inbox: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def make_node(name: str) -> Node:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    for table in (federation_outbox, federation_peers, federation_received):
        table.create(engine)
    return Node(name, engine)


@dataclass(slots=True)
class World:
    """Two servers and everything between them."""

    chance: random.Random
    a: Node
    b: Node
    now_ms: int = 1_700_000_000_000
    kills: int = 0
    written: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])
    late: list[tuple[Node, Node, Delivery, int, int]] = field(
        default_factory=list[tuple[Node, Node, Delivery, int, int]]
    )
    is_cut: bool = False
    may_fail: bool = True

    def time_of(self, node: Node) -> int:
        return self.now_ms + node.clock_off_ms

    def may_die(self) -> None:
        if self.may_fail and self.chance.random() < 0.35:
            self.kills += 1
            raise Killed

    def write(self, node: Node, other: Node) -> None:
        """A user writes: message and delivery are one transaction, or neither."""
        conversation = f"dm:{self.chance.randrange(CONVERSATIONS)}"
        sent = self.written.setdefault((node.name, conversation), [])
        body = f"{node.name}/{conversation}/{len(sent)}"
        try:
            with node.engine.begin() as connection:
                queries.enqueue(
                    connection,
                    {
                        "domain": other.name,
                        "conversation": conversation,
                        "kind": "message",
                        "body": body,
                        "msg_id": MessageId(len(sent)),
                        "author_id": 1,
                        "created_at": self.time_of(node),
                    },
                )
                self.may_die()
        except Killed:
            return  # the client got no answer: it was not written
        sent.append(body)

    def deliver(self, node: Node, other: Node) -> None:
        """One round of the outbox."""
        with node.engine.begin() as connection:
            due = queries.heads(connection, self.time_of(node), int(TIMES.longest_s * 1000))
        for delivery in due[: self.chance.randrange(1, 4)]:
            try:
                self.may_die()
                with node.engine.begin() as connection:
                    settled_before = queries.oldest_waiting(connection, other.name)
                answer = self.carry(node, other, delivery, settled_before, self.time_of(node))
                self.may_die()
                with node.engine.begin() as connection:
                    conclude(
                        connection,
                        delivery=delivery,
                        verdict=verdict_of(answer),
                        answer=answer,
                        why="",
                        now_ms=self.time_of(node),
                        times=TIMES,
                        chance=self.chance.random(),
                    )
                    self.may_die()
            except Killed:
                return

    def carry(self, node: Node, other: Node, delivery: Delivery, settled_before: int, signed_ms: int) -> Answer:
        """The network: it may lose, double and delay, and the other server may die at any point."""
        if self.may_fail and (self.is_cut or self.chance.random() < 0.2):
            return Answer(0)
        if self.may_fail and self.chance.random() < 0.2:
            self.late.append((node, other, delivery, settled_before, signed_ms))
            del self.late[:-LATE_AT_ONCE]
        if self.may_fail and self.chance.random() < 0.05:
            return Answer(self.chance.choice([429, 500, 502, 503, 404, 301]))  # a proxy's page, or a busy server
        try:
            answer = self.receive(other, node, delivery, settled_before, signed_ms)
        except Killed:
            return Answer(0)
        return Answer(0) if self.may_fail and self.chance.random() < 0.2 else answer

    def receive(self, node: Node, sender: Node, delivery: Delivery, settled_before: int, signed_ms: int) -> Answer:
        """The other server: receipt and message are one transaction."""
        now_ms = self.time_of(node)
        if abs(now_ms - signed_ms) > SKEW_S * 1000:
            return Answer(403, "FED_TIMESTAMP_EXPIRED")
        self.may_die()
        name, is_new = f"{delivery.conversation}:{delivery.msg_id}", False
        with node.engine.begin() as connection:
            if queries.note_received(connection, sender.name, name, delivery.id, now_ms // 1000):
                queries.forget_settled(connection, sender.name, settled_before, now_ms // 1000)
                is_new = True
            self.may_die()
        if is_new:
            node.inbox.setdefault(delivery.conversation, []).append(delivery.body)
        self.may_die()
        return Answer(204)

    def step(self) -> None:
        """Something happens."""
        node, other = self.chance.choice([(self.a, self.b), (self.b, self.a)])
        kind = self.chance.random()
        if kind < 0.25:
            self.write(node, other)
        elif kind < 0.85:
            self.deliver(node, other)
        elif kind < 0.9:
            self.is_cut = not self.is_cut and self.chance.random() < 0.5
        elif kind < 0.93:
            # Hours ahead, months ahead, set back: and sometime it is put right.
            node.clock_off_ms = self.chance.choice([0, 0, 0, 3_600_000, -600_000, 40 * 86_400_000, -7 * 86_400_000])
        elif self.late:
            with_late = self.late.pop(self.chance.randrange(len(self.late)))
            with contextlib.suppress(Killed):
                self.receive(with_late[1], with_late[0], with_late[2], with_late[3], with_late[4])
        self.now_ms += self.chance.choice([10, 1000, 20_000, 120_000])

    def settle(self) -> None:
        """The faults end; everything that waits gets through."""
        self.may_fail, self.is_cut = False, False
        self.a.clock_off_ms = self.b.clock_off_ms = 0
        for one in self.late:
            self.receive(one[1], one[0], one[2], one[3], one[4])
        for _ in range(100_000):
            self.deliver(self.a, self.b)
            self.deliver(self.b, self.a)
            self.now_ms += int(TIMES.longest_s * 1000)
            if not waiting(self.a) and not waiting(self.b):
                return
        raise AssertionError("the queues do not run empty")


def waiting(node: Node) -> int:
    with node.engine.begin() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM federation_outbox").scalar_one()


def test_ten_thousand_kills_lose_and_repeat_nothing():
    world = World(random.Random(20261130), make_node("a.example"), make_node("b.example"))
    while world.kills < KILLS:
        world.step()
    world.settle()
    total = 0
    for (name, conversation), sent in world.written.items():
        there = world.b if name == "a.example" else world.a
        assert there.inbox.get(conversation, []) == sent
        total += len(sent)
    assert total > 1000
    assert waiting(world.a) == waiting(world.b) == 0
