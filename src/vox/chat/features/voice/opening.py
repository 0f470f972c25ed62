"""Makes the voice side of a server, and finds it again."""

from typing import cast

from vox.chat.context import ChatContext
from vox.chat.features.voice.keeper import Keeper
from vox.chat.features.voice.media import Media


def open_voice(chat: ChatContext) -> Keeper:
    """What `ChatContext.voice` is; made once, before the server opens."""
    return Keeper(chat, Media(chat))


def keeper_of(chat: ChatContext) -> Keeper:
    """The voice side of a server."""
    return cast("Keeper", chat.voice)
