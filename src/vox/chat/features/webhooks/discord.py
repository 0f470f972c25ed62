"""Messages in the shape of Discord's webhooks, as its libraries and many programs send them. Pure.

What has a counterpart here is translated; the names of all other fields that were given are returned, so that the sender is told.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, cast

import msgspec
from msgspec import Meta

from vox.chat.features.messages.schemas import Embed, EmbedField
from vox.chat.features.webhooks.posts import Post

MAX_EMBEDS: Final = 10
_KNOWN: Final = frozenset({"content", "username", "avatar_url", "embeds"})
_KNOWN_OF_EMBED: Final = frozenset({
    "title", "description", "url", "color", "fields", "image", "thumbnail", "video", "author", "provider", "footer", "type",
})  # fmt: skip
_KNOWN_OF_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "image": frozenset({"url", "width", "height"}),
    "thumbnail": frozenset({"url"}),
    "video": frozenset({"url", "width", "height"}),
    "author": frozenset({"name"}),
    "provider": frozenset({"name"}),
    "footer": frozenset({"text"}),
}


class _Media(msgspec.Struct, frozen=True):
    url: str | None = None
    width: int | None = None
    height: int | None = None


class _Named(msgspec.Struct, frozen=True):
    name: str | None = None


class _Footer(msgspec.Struct, frozen=True):
    text: str | None = None


class _Field(msgspec.Struct, frozen=True):
    name: str
    value: str
    inline: bool | None = False


class _Embed(msgspec.Struct, frozen=True):
    title: str | None = None
    description: str | None = None
    url: str | None = None
    color: int | None = None
    type: str | None = None
    fields: Annotated[list[_Field], Meta(max_length=25)] | None = None
    image: _Media | None = None
    thumbnail: _Media | None = None
    video: _Media | None = None
    author: _Named | None = None
    provider: _Named | None = None
    footer: _Footer | None = None


class DiscordMessage(msgspec.Struct, frozen=True):
    """The fields of Discord's execute request that have a counterpart."""

    content: str | None = None
    username: str | None = None
    avatar_url: str | None = None
    embeds: Annotated[list[_Embed], Meta(max_length=MAX_EMBEDS)] | None = None


class DiscordQuery(msgspec.Struct, frozen=True):
    """`wait` asks for the message in the response; `thread_id` names a thread of the webhook's feed."""

    wait: str = ""
    thread_id: int | None = None


class DiscordPosted(msgspec.Struct, frozen=True):
    """A posted message in Discord's form: ids are texts there."""

    id: str
    channel_id: str
    webhook_id: str
    content: str
    ignored: list[str]
    type: int = 0


def from_discord(body: bytes) -> Post:
    """What a request posts.

    Args:
        body: the JSON.

    Raises:
        msgspec.DecodeError: it is not of the shape.
    """
    given = msgspec.json.decode(body)
    message = msgspec.convert(given, DiscordMessage)
    return Post(
        body=message.content or None,
        embeds=[_translated(embed) for embed in message.embeds or ()],
        name=message.username or None,
        avatar=message.avatar_url or None,
        ignored=tuple(dict.fromkeys(_ignored(given))),
    )


def _translated(embed: _Embed) -> Embed:
    fields = [EmbedField(one.name, one.value, bool(one.inline)) for one in embed.fields or ()]
    if embed.footer is not None and embed.footer.text:
        fields.append(EmbedField("", embed.footer.text))
    named = embed.author or embed.provider
    image, video = embed.image or _Media(), embed.video or _Media()
    return Embed(
        title=embed.title,
        description=embed.description,
        url=embed.url,
        site_name=named.name if named is not None else None,
        image=image.url,
        image_width=image.width,
        image_height=image.height,
        video=video.url,
        video_width=video.width,
        video_height=video.height,
        type=embed.type,
        color=embed.color,
        fields=fields or None,
        thumbnail=embed.thumbnail.url if embed.thumbnail is not None else None,
    )


def _ignored(given: Any) -> Iterator[str]:
    if not isinstance(given, dict):
        return
    message = cast("dict[str, Any]", given)
    yield from (name for name, value in message.items() if name not in _KNOWN and _is_given(value))
    for embed in message.get("embeds") or ():
        yield from _ignored_of_embed(embed)


def _ignored_of_embed(embed: dict[str, Any]) -> Iterator[str]:
    for name, value in embed.items():
        if name not in _KNOWN_OF_EMBED:
            if _is_given(value):
                yield f"embeds.{name}"
        elif name in _KNOWN_OF_PARTS and isinstance(value, dict):
            part = cast("dict[str, Any]", value)
            yield from (f"embeds.{name}.{key}" for key in part if key not in _KNOWN_OF_PARTS[name] and part[key])


def _is_given(value: Any) -> bool:
    return bool(value)
