"""Random lives of a gateway against a reference: nothing lost, repeated or leaked, numbers contiguous, spaces as they are.

The reference knows nothing of rings and positions: it keeps the list of all messages, and for each client the place in that list
from which on it has not been served. Whatever is done to connections and permissions, a client must get exactly what its user
may read: live at that moment, after a resume from where it stopped and with the permissions of now.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from tests.fakes.loop import VirtualLoop
from tests.unit.chat.gateway.gateway_harness import Client, Scene, settle
from vox.chat.events import (
    SpaceOverride,
    feed_create,
    feed_delete,
    member_ban,
    member_unban,
    permission_override_delete,
    permission_override_update,
    role_assign,
    role_revoke,
)
from vox.chat.events.ids import FeedId, RoleId, UserId
from vox.chat.events.permissions import P
from vox.chat.gateway import GatewayLimits

PEOPLE = 5
READ = int(P.VIEW_SPACE | P.READ_HISTORY)
MASKS = (int(P.VIEW_SPACE), int(P.READ_HISTORY), READ)
RING = 30
LARGE_GAP = 15
LOST = (1006, "")
users = st.integers(2, PEOPLE)
masks = st.sampled_from(MASKS)


@dataclass(eq=False)
class Follower:
    """A client as the reference sees it."""

    client: Client
    spaces: set[int]
    seq: int = 1
    inbox: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """What was delivered and not yet taken in: with the number of messages there were before it."""
    served: int = 0
    missed: int = 0
    """Frames that were written and never taken in."""
    is_connected: bool = True

    @property
    def user_id(self) -> int:
        return self.client.user_id


class GatewayMachine(RuleBasedStateMachine):
    connected = Bundle("connected")
    lost = Bundle("lost")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.followers: list[Follower] = []
        self.messages: list[tuple[int, int]] = []
        self.next_feed = 10

    @initialize()
    def begin(self) -> None:
        # With a ring of RING, resumes that come too late are as usual as the others.
        self.scene = Scene(
            GatewayLimits(ring=RING, backlog_bytes=1500, busy_bytes=400, client_messages=10_000), people=PEOPLE
        )
        self.scene.stamp = lambda: len(self.messages)

    def teardown(self) -> None:
        self.runner.close()

    @rule(target=connected, user=users, capabilities=st.sampled_from([(), ("presence_batch",), ("string_ids",)]))
    def join(self, user: int, capabilities: tuple[str, ...]) -> Follower:
        async def joining() -> Follower:
            client = await self.scene.join(user, *capabilities)
            return Follower(client, set(self.visible(user)), served=len(self.messages))

        follower = self.runner.run(joining())
        if follower.client.socket.verdict is not None:  # banned, or a sixth session
            self.run_async(follower.client.drop)
            follower.is_connected = False
            return follower
        follower.seq = follower.client.last_seq
        self.followers.append(follower)
        self.take_in()
        return follower

    @rule(count=st.integers(1, 3), feed=st.integers(0, 4))
    def say(self, count: int, feed: int) -> None:
        feeds = sorted(self.scene.community.feeds)
        feed_id = feeds[feed % len(feeds)]
        readers = [one for one in self.followers if one.is_connected and self.reads(one.user_id, feed_id)]
        before = {id(one): len(one.inbox) for one in self.followers}
        start = len(self.messages)
        self.run(lambda: [self.messages.append((self.scene.say(feed_id), feed_id)) for _ in range(count)])
        new = [message for message, _ in self.messages[start:]]
        for one in self.followers:
            got = [int(frame["d"]["msg_id"]) for _, frame in one.inbox[before[id(one)] :] if "msg_id" in frame["d"]]
            if one.is_connected and not one.client.socket.is_stuck and one.client.socket.verdict is None:
                assert got == (new if one in readers else []), (one.user_id, feed_id)

    @rule(feed=st.integers(1, 3), mask=masks, user=st.one_of(st.none(), users), deny=st.booleans())
    def override(self, feed: int, mask: int, user: int | None, deny: bool) -> None:
        feed_id = self.some_feed(feed)
        where = {"space_type": "feed", "space_id": feed_id}
        who = {"target_type": "role", "target_id": 1} if user is None else {"target_type": "user", "target_id": user}
        masked = {"allow": 0, "deny": mask} if deny else {"allow": mask, "deny": 0}
        self.happen(permission_override_update(**where, **who, **masked))  # pyright: ignore[reportArgumentType]

    @rule(feed=st.integers(1, 3), user=st.one_of(st.none(), users))
    def lift(self, feed: int, user: int | None) -> None:
        kind, target = ("role", 1) if user is None else ("user", user)
        feed_id = self.some_feed(feed)
        self.happen(
            permission_override_delete(space_type="feed", space_id=feed_id, target_type=kind, target_id=target)  # pyright: ignore[reportArgumentType]
        )

    @rule(user=users, is_assigned=st.booleans())
    def promote(self, user: int, is_assigned: bool) -> None:
        self.happen((role_assign if is_assigned else role_revoke)(role_id=RoleId(2), user_id=UserId(user)))

    @rule(is_hidden=st.booleans())
    @precondition(lambda self: len(self.scene.community.feeds) < 5)
    def make_feed(self, is_hidden: bool) -> None:
        self.next_feed += 1
        overrides = [SpaceOverride("role", RoleId(1), 0, READ)] if is_hidden else []
        self.happen(feed_create(feed_id=FeedId(self.next_feed), name="n", overrides=overrides))

    @rule(feed=st.integers(0, 3))
    @precondition(lambda self: len(self.scene.community.feeds) > 1)
    def delete_feed(self, feed: int) -> None:
        feed_id = self.some_feed(feed)
        self.happen(
            feed_delete(feed_id=FeedId(feed_id), overrides=self.scene.community.overrides_of("feed", FeedId(feed_id)))
        )

    @rule(user=users)
    def ban_and_pardon(self, user: int) -> None:
        self.happen(member_ban(user_id=UserId(user)))
        for one in self.followers:
            if one.user_id == user and one.is_connected:
                assert one.client.socket.verdict is not None
                assert one.client.socket.verdict[0] in {4004, 4000}  # or it was closed for slowness before
                self.run_async(one.client.drop)
                one.is_connected = False
        self.happen(member_unban(user_id=UserId(user)))
        self.followers = [one for one in self.followers if one.user_id != user]

    @rule(follower=connected, is_told=st.booleans())
    def read_up(self, follower: Follower, is_told: bool) -> None:
        """The client takes in what has come, and may say so in a heartbeat."""
        if self.is_live(follower):
            self.consume(follower, len(follower.inbox))
            if is_told:
                self.run_async(lambda: follower.client.say("heartbeat", {"seq": follower.seq}))

    @rule(follower=connected)
    def get_stuck(self, follower: Follower) -> None:
        if self.is_live(follower):
            follower.client.socket.is_stuck = True

    @rule(follower=connected)
    def get_going(self, follower: Follower) -> None:
        if self.is_live(follower):
            follower.client.socket.catch_up()
            self.take_in()

    @rule(target=lost, follower=consumes(connected), kept=st.integers(0, 8))
    def lose(self, follower: Follower, kept: int) -> Follower:
        """The connection breaks; of what had come, the client has taken in so much."""
        if self.is_live(follower):
            self.consume(follower, min(kept, len(follower.inbox)))
            self.run_async(follower.client.drop)
            self.forget_unread(follower)
        return follower

    @rule(follower=connected, kept=st.integers(0, 8))
    def resume_over_a_living_socket(self, follower: Follower, kept: int) -> None:
        if self.is_live(follower):
            self.consume(follower, min(kept, len(follower.inbox)))
            self.forget_unread(follower)
            self.resume(follower)

    @rule(target=connected, follower=consumes(lost))
    def come_back(self, follower: Follower) -> Follower:
        if follower in self.followers and not follower.is_connected:
            self.resume(follower)
        return follower

    @invariant()
    def spaces_are_as_they_are(self) -> None:
        for one in self.followers:
            if one.is_connected and not one.client.socket.is_stuck and one.client.socket.verdict is None:
                spaces = set(one.spaces)
                for _, frame in one.inbox:
                    apply(spaces, frame)
                assert spaces == self.visible(one.user_id)

    def resume(self, follower: Follower) -> None:
        async def resuming() -> Client:
            return await self.scene.resume(follower.client, last_seq=follower.seq)

        old, client = follower.client, self.runner.run(resuming())
        self.run_async(old.drop)
        frames = client.frames()
        if client.socket.verdict is not None:  # it may be too late, but never for no reason
            self.run_async(client.drop)
            self.followers.remove(follower)
            if client.socket.verdict[0] == 4010:
                gap = len(self.messages) - follower.served
                assert follower.missed > RING or gap > LARGE_GAP  # numbers or bytes: both are bounded
            else:
                others = sum(one.is_connected and one.user_id == follower.user_id for one in self.followers)
                assert client.socket.verdict[0] == 4006
                assert others >= 5
            return
        assert follower.missed <= RING
        kinds = [frame["type"] for frame in frames]
        end = kinds.index("resumed")
        replayed = frames[1:end]
        expected = [m for m, feed in self.messages[follower.served :] if self.reads(follower.user_id, feed)]
        assert [int(frame["d"]["msg_id"]) for frame in replayed if "msg_id" in frame["d"]] == expected
        assert frames[end]["d"] == {"seq": follower.seq + len(replayed)}
        follower.client, follower.is_connected = client, True
        follower.inbox = [(len(self.messages), frame) for frame in (*replayed, *frames[end + 1 :])]
        self.consume(follower, len(replayed))
        follower.served = len(self.messages)

    def consume(self, follower: Follower, count: int) -> None:
        taken, follower.inbox = follower.inbox[:count], follower.inbox[count:]
        for _, frame in taken:
            assert frame["seq"] == follower.seq + 1, "a number is missing or repeated"
            follower.seq += 1
            apply(follower.spaces, frame)

    def forget_unread(self, follower: Follower) -> None:
        socket = follower.client.socket
        socket.catch_up()
        follower.inbox += self.come(follower)
        follower.missed = len(follower.inbox)
        until = len(self.messages) if socket.verdict in {None, LOST} else socket.closed_at
        follower.served = follower.inbox[0][0] if follower.inbox else until
        follower.inbox = []
        follower.is_connected = False

    def take_in(self) -> None:
        """What has come lies in the inboxes, with the number of messages there were before it."""
        for one in self.followers:
            if one.is_connected and not one.client.socket.is_stuck:
                one.inbox += self.come(one)

    def come(self, follower: Follower) -> list[tuple[int, dict[str, Any]]]:
        return [
            (self.place(frame, stamp), frame)
            for stamp, frame in follower.client.stamped()
            if frame.get("seq") is not None and frame["type"] != "ready"
        ]

    def place(self, frame: dict[str, Any], stamp: int) -> int:
        if "msg_id" not in frame["d"]:
            return stamp
        message_id = int(frame["d"]["msg_id"])
        return next(index for index, (known, _) in enumerate(self.messages) if known == message_id)

    def happen(self, event: Any) -> None:
        self.run(lambda: self.scene.happen(event))

    def run(self, change: Any) -> None:
        async def changing() -> None:
            change()
            await settle()

        self.runner.run(changing())
        self.take_in()

    def run_async(self, work: Any) -> None:
        async def working() -> None:
            await work()
            await settle()

        self.runner.run(working())
        self.take_in()

    def is_live(self, follower: Follower) -> bool:
        return follower in self.followers and follower.is_connected

    def some_feed(self, number: int) -> int:
        feeds = sorted(self.scene.community.feeds)
        return feeds[number % len(feeds)]

    def visible(self, user_id: int) -> frozenset[int]:
        return self.scene.community.visible_feeds(UserId(user_id))

    def reads(self, user_id: int, feed_id: int) -> bool:
        return self.scene.community.may_in(UserId(user_id), "feed", FeedId(feed_id), READ)


def apply(spaces: set[int], frame: dict[str, Any]) -> None:
    """Follows a frame as a client would; what it is told twice is an error."""
    if frame["type"] == "feed_create":
        assert int(frame["d"]["feed_id"]) not in spaces, "told of a feed twice"
        spaces.add(int(frame["d"]["feed_id"]))
    elif frame["type"] == "feed_delete":
        assert int(frame["d"]["feed_id"]) in spaces, "told of the end of an unknown feed"
        spaces.remove(int(frame["d"]["feed_id"]))


TestGateway = GatewayMachine.TestCase
TestGateway.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
