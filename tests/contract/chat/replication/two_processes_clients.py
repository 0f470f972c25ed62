"""A client as the reference sees it: what it has taken in, and what it knows from that.

Before changing: it follows what it is told as a real client would, and takes nothing from the server's memory.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.contract.chat.harness import Gateway, Person, Rig

Message = tuple[int, int]
"""Message and feed."""


@dataclass(eq=False, slots=True)
class Client:
    """A session of a person, and where it is connected.

    Args:
        spaces: the feeds it knows of.
        seq: the number of the last frame that it has taken in.
        unread: frames that have come since.
        served: of the log's messages, how many it has been served or could not read.
    """

    person: Person
    rig: Rig
    gateway: Gateway
    stack: contextlib.AsyncExitStack
    session_id: str
    spaces: set[int]
    served: int
    seq: int = 1
    unread: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    is_connected: bool = True

    @property
    def user_id(self) -> int:
        return self.person.user_id

    def listen(self) -> None:
        """What has come on the socket is unread."""
        while not self.gateway.inbox.empty():
            frame = self.gateway.inbox.get_nowait()
            if frame is not None and "seq" in frame:
                self.unread.append(frame)

    def take_in(self, count: int) -> list[Message]:
        """Reads so many frames, and answers the messages in them; the rest stays unread."""
        taken, self.unread = self.unread[:count], self.unread[count:]
        for frame in taken:
            assert frame["seq"] == self.seq + 1, "a number is missing or repeated"
            self.seq += 1
            _follow(self.spaces, frame)
        return _messages_in(taken)

    def stop_reading(self, taken: int, messages: Sequence[Message]) -> None:
        """Takes in a part of what has come; the first frame that is left, if any, is a message.

        Args:
            taken: before which of the messages it stops, or after all.
            messages: all of the log.
        """
        ends = [index for index, frame in enumerate(self.unread) if frame["type"] == "message_create"]
        end = [*ends, len(self.unread)][taken % (len(ends) + 1)]
        order = {message: index for index, (message, _) in enumerate(messages)}
        self.served = order[self.unread[end]["d"]["msg_id"]] if end < len(self.unread) else len(messages)
        self.take_in(end)
        self.unread = []

    def new_messages(self, messages: Sequence[Message]) -> list[Message]:
        """Of the log's messages, those that came since it was served last."""
        known = {message for message, _ in messages[self.served :]}
        return [one for one in _messages_in(self.unread) if one[0] in known]

    def known_feeds(self) -> set[int]:
        """The feeds that it will know of when it has taken in what has come."""
        spaces = set(self.spaces)
        for frame in self.unread:
            _follow(spaces, frame)
        return spaces

    def has_all(self) -> bool:
        """Whether everything that the server has for it lies here, or it was sent away."""
        if self.gateway.close_code is not None:
            return True
        for session, connection in tuple(self.rig.server.hub.connections.items()):
            if session.session_id == self.session_id:
                assert connection.outbox is not None
                connection.outbox.flush()
                last = self.unread[-1]["seq"] if self.unread else self.seq
                return session.seq == last + self.gateway.inbox.qsize()
        return False


def _messages_in(frames: Sequence[dict[str, Any]]) -> list[Message]:
    return [(frame["d"]["msg_id"], frame["d"]["feed_id"]) for frame in frames if frame["type"] == "message_create"]


def _follow(spaces: set[int], frame: dict[str, Any]) -> None:
    """What a client is told twice is an error."""
    if frame["type"] == "feed_create":
        assert frame["d"]["feed_id"] not in spaces, "told of a feed twice"
        spaces.add(frame["d"]["feed_id"])
    elif frame["type"] == "feed_delete":
        assert frame["d"]["feed_id"] in spaces, "told of the end of an unknown feed"
        spaces.remove(frame["d"]["feed_id"])
