"""The users who are notified of a message that does not mention everyone, and why. Pure: the caller says who may read it.

Mentioned users come first, then the author of the message it replies to, then subscribers of the feed or thread. The author is
never among them, and no user is notified twice.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from vox.chat.events.ids import UserId

PREVIEW_CHARS: Final = 100

Reason = Literal["mention", "reply", "reaction", "message"]


@dataclass(frozen=True, slots=True)
class Recipients:
    """The users that a message concerns.

    Args:
        author_id: its author; None for a webhook.
        mentioned: users it mentions.
        answered: author of the message it replies to.
        followers: subscribers of the feed or thread.
    """

    author_id: UserId | None
    mentioned: Iterable[UserId] = ()
    answered: UserId | None = None
    followers: Iterable[UserId] = ()


def recipients_of(candidates: Recipients, may_read: Callable[[UserId], bool]) -> Iterator[tuple[UserId, Reason]]:
    """Users and the first reason that holds for each, in that order.

    Args:
        candidates: the users that the message concerns.
        may_read: whether a user may read the message; those who may not are not notified that it exists.
    """
    seen: set[UserId | None] = {candidates.author_id}
    reply = () if candidates.answered is None else (candidates.answered,)
    groups: tuple[tuple[Reason, Iterable[UserId]], ...] = (
        ("mention", candidates.mentioned),
        ("reply", reply),
        ("message", candidates.followers),
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
