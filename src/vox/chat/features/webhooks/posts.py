"""A message as a webhook posts it, whatever shape the request had."""

from dataclasses import dataclass, field

from vox.chat.features.messages.schemas import Embed


@dataclass(frozen=True, slots=True)
class Post:
    """What is posted.

    Args:
        body: its text; None where there are only embeds.
        embeds: its cards.
        name: in place of the webhook's own name.
        avatar: in place of the webhook's own avatar.
        ignored: the fields of the request that have no counterpart here.
    """

    body: str | None
    embeds: list[Embed] = field(default_factory=list[Embed])
    name: str | None = None
    avatar: str | None = None
    ignored: tuple[str, ...] = ()
