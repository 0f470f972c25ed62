"""Who is told about a message that does not mention everyone, and why. Pure: who may read it is a question that comes in.

First who is mentioned, then who is answered, then who follows the feed or thread; the author never, and nobody twice.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

PREVIEW_CHARS: Final = 100

Reason = Literal["mention", "reply", "reaction", "message"]


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who has something to do with a message.

    Args:
        author_id: who wrote it.
        mentioned: users it names.
        answered: who wrote what it answers.
        followers: who follows the feed or thread.
    """

    author_id: int
    mentioned: Iterable[int] = ()
    answered: int | None = None
    followers: Iterable[int] = ()


def recipients_of(circle: Recipients, may_read: Callable[[int], bool]) -> Iterator[tuple[int, Reason]]:
    """Users and the first reason that holds for each, in that order.

    Args:
        circle: who is concerned.
        may_read: whether a user may read the message; who may not is not told that it exists.
    """
    seen = {circle.author_id}
    reply = () if circle.answered is None else (circle.answered,)
    groups: tuple[tuple[Reason, Iterable[int]], ...] = (
        ("mention", circle.mentioned),
        ("reply", reply),
        ("message", circle.followers),
    )
    for reason, users in groups:
        for user in users:
            if user not in seen and may_read(user):
                seen.add(user)
                yield user, reason


def preview(body: str | None) -> str | None:
    """The beginning of a text: 100 characters, of which the last is an ellipsis where more follows."""
    if body is None or len(body) <= PREVIEW_CHARS:
        return body
    return body[: PREVIEW_CHARS - 1] + "…"
