"""What a call worker adds to the agent server: slots promised before a call comes, and bots that are configured elsewhere.

The agent server knows only these shapes; without a gate nothing here runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from vox.protocols.media_stream import StreamStarted
from vox.providers.carriers.contract import BusyAnswer


@dataclass(frozen=True, slots=True)
class Bot:
    """Who talks on a call.

    Attributes:
        agent: the configured agent that the bot is made from; empty for the default one.
        profile: keys of the agent's configuration that this bot has otherwise.
        variables: of the call.
        session_id: the bridge's name of this conversation.
        api_keys: vendors' keys that hold for this bot alone.
    """

    agent: str = ""
    profile: Mapping[str, Any] = field(default_factory=dict[str, Any])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    session_id: str = ""
    api_keys: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True)
class Promise:
    """A slot for a call whose carrier has asked what to do with it."""

    stream_url: str
    token: str = field(repr=False)


class Claim(Protocol):
    """A promised slot that a media stream has named, and has to prove its right to."""

    @property
    def call_id(self) -> str:
        """The call's name at those who asked for the slot."""
        ...

    @property
    def bot_id(self) -> str:
        """Who is to talk; empty where the stream decides."""
        ...

    @property
    def variables(self) -> Mapping[str, str]:
        """What those who asked for the slot know of the call."""
        ...

    def prove(self, token: str) -> bool:
        """Whether the stream brought the slot's token."""
        ...

    def give_back(self) -> None:
        """Ends the stream's hold; once."""
        ...


class CallGate(Protocol):
    """Asked about calls before the agent server takes them."""

    def set_aside(self) -> int:
        """Slots that are promised to calls which have no media yet."""
        ...

    def claim(self, reservation_id: str) -> Claim | None:
        """The promised slot of that id; None where there is none."""
        ...

    def retry_after_s(self) -> int:
        """Seconds until a slot is expected to be free."""
        ...

    def promise(self, agent: str) -> Promise | None:
        """A slot for an incoming call, whose stream then comes to this very server; None where streams are balanced."""
        ...

    def busy_answer(self, waited_s: int, again_url: str) -> BusyAnswer:
        """What a caller gets while no worker has a slot.

        Args:
            waited_s: how long the caller has waited already.
            again_url: where the carrier may ask again.
        """
        ...

    def has_room_elsewhere(self) -> bool:
        """Whether another worker behind the same address has a free slot."""
        ...

    async def find_bot(self, bot_id: str, started: StreamStarted) -> Bot:
        """The bot of a call whose stream has begun.

        Raises:
            VoxError: there is none, or it does not answer now; the call is rejected.
        """
        ...

    def knows_bot(self, bot_id: str) -> bool:
        """Whether there may be such a bot; asked before a stream is let in."""
        ...

    def answered(self, call_id: str, by: str) -> None:
        """Who answered a call that the agent makes: `human`, `voicemail`, `screening` or `menu`."""
        ...

    def rejected(self, call_id: str, started: StreamStarted, code: str) -> None:
        """A call that had a slot is not taken, because its bot cannot be had; `code` says why."""
        ...
