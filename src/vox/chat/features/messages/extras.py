"""Changing what few messages have besides their text: several embeds, and components."""

from collections.abc import Sequence

import msgspec

from vox.chat.events.ids import MessageId
from vox.chat.features.messages import queries
from vox.chat.features.messages.components import Component
from vox.chat.features.messages.content import embed_fields, read_embed, read_extras, stored_embed, stored_extras
from vox.chat.features.messages.schemas import Embed, Extras
from vox.stores.sql import Connection


def components_of(connection: Connection, msg_id: MessageId) -> list[Component]:
    """The components of a message."""
    stored = queries.lock_extras(connection, msg_id)
    extras = read_extras(*stored) if stored is not None else None
    return extras.components if extras is not None else []


def replace_extras(
    connection: Connection,
    msg_id: MessageId,
    *,
    components: Sequence[Component] | None = None,
    embeds: Sequence[Embed] | None = None,
) -> dict[str, object]:
    """Gives a message other components and embeds; None leaves them.

    Returns:
        The changed fields, as the event of the edit carries them.
    """
    stored = queries.lock_extras(connection, msg_id)
    if stored is None:
        return {}
    text, embed = stored
    extras = read_extras(text, embed) or Extras()
    first = read_embed(embed)
    fields: dict[str, object] = {}
    if components is not None:
        extras = msgspec.structs.replace(extras, components=list(components))
        fields["components"] = msgspec.to_builtins(list(components))
    if embeds is not None:
        first = embeds[0] if embeds else None
        extras = msgspec.structs.replace(extras, embeds=list(embeds) if len(embeds) > 1 else [])
        fields["embed"] = None if first is None else embed_fields(first)
        fields["embeds"] = [embed_fields(one) for one in embeds]
    is_usual = extras == Extras()
    column = None if first is None else stored_embed(first)
    queries.set_extras(connection, msg_id, None if is_usual else stored_extras(extras), column)
    return fields
