"""What may happen to a server of two processes, as plain data that Hypothesis draws, repeats and cuts down.

The one thing to know: a plan names feeds, people, clients and processes by number, counted round as often as necessary, so that it
means something whatever has become of them. No two runs interleave alike: nothing drawn may hang on what the server did.
"""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from vox.chat.events.permissions import P

READ = int(P.VIEW_SPACE | P.READ_HISTORY)
MASKS = (int(P.VIEW_SPACE), int(P.READ_HISTORY), READ)
CLIENTS = 8

Kind = Literal["override", "lift", "give", "take", "make", "delete", "rename"]
KINDS: tuple[Kind, ...] = ("override", "override", "lift", "give", "take", "make", "delete", "rename")


@dataclass(frozen=True, slots=True)
class Word:
    """A message."""

    feed: int
    process: int


@dataclass(frozen=True, slots=True)
class Change:
    """A change of what somebody may see.

    Args:
        target: of an override: everyone, those of a role, or a person; otherwise a person.
    """

    kind: Kind
    feed: int
    target: int
    mask: int
    is_allowed: bool
    process: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A person opens one more client."""

    person: int
    process: int


@dataclass(frozen=True, slots=True)
class Break:
    """A client's connection breaks; of the messages that had come, it has taken in those before this one."""

    client: int
    taken: int


@dataclass(frozen=True, slots=True)
class Return:
    """A client that is away comes back."""

    client: int
    process: int


@dataclass(frozen=True, slots=True)
class Bounce:
    """A connection breaks after so many turns of the loop, and comes back at once; half open: before its process noticed."""

    client: int
    pauses: int
    taken: int
    process: int
    is_half_open: bool


numbers = st.integers(0, 11)
processes = st.integers(0, 1)
_clients = st.integers(0, CLIENTS - 1)

words = st.lists(st.builds(Word, numbers, processes), min_size=1, max_size=6)
change = st.builds(Change, st.sampled_from(KINDS), numbers, numbers, st.sampled_from(MASKS), st.booleans(), processes)
changes = st.lists(change, min_size=1, max_size=6)
arrivals = st.lists(st.builds(Arrival, numbers, processes), min_size=6, max_size=2 * CLIENTS)
breaks = st.lists(st.builds(Break, _clients, numbers), min_size=3, max_size=CLIENTS)
returns = st.lists(st.builds(Return, _clients, processes), min_size=5, max_size=CLIENTS)
bounces = st.lists(
    st.builds(Bounce, _clients, st.integers(0, 60), numbers, processes, st.booleans()), min_size=5, max_size=CLIENTS
)
