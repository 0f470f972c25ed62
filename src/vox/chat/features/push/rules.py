"""Which events are pushed, to which users, and what the push says. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vox.chat.events import EXCLUDED_USER, Event
from vox.chat.events.audience import Audience
from vox.chat.events.ids import UserId
from vox.chat.features.settings.schemas import Document, Notifications

TEXT_CHARS: Final = 100
_decode = msgspec.json.Decoder(Document).decode


@dataclass(frozen=True, slots=True)
class News:
    """Something users may be told of.

    Args:
        kind: mention, reply, message or dm.
        audience: who may know.
        actor_id: who did it, and is not told.
        places: the names in the settings under which it counts, the narrowest first.
        fields: what a push always says: where it happened, ids as texts.
        text: the beginning of the message, for who wants it.
    """

    kind: str
    audience: Audience
    actor_id: UserId | None
    places: tuple[str, ...]
    fields: Mapping[str, str]
    text: str | None


def news_of(event: Event) -> News | None:
    """What of an event is worth a push; None for nothing.

    Messages of feeds come by their notifications, those of conversations by themselves, because every one of them counts there.
    """
    said = event.payload
    if event.type == "message_create" and said.get("dm_id") is not None:
        body = said.get("body")
        text = None if body is None else body[:TEXT_CHARS]
        return _news("dm", event.audience, said.get("author_id"), said, text)
    if event.type == "notification_create" and said.get("feed_id") is not None and said["type"] != "reaction":
        actor = event.facts.get(EXCLUDED_USER, said.get("actor_id"))
        return _news(said["type"], event.audience, actor, said, said.get("body_preview"))
    return None


def wants(settings: str | None, news: News, now_s: int) -> Notifications | None:
    """The settings of a user who wants to be told; None of one who does not.

    Args:
        settings: as JSON text; None where the user has none.
        news: what happened.
        now_s: Unix seconds.
    """
    found = _notifications(settings)
    level = found.level
    for name in reversed(news.places):
        place = found.places.get(name)
        if place is None:
            continue
        if place.muted_until > now_s:
            return None
        level = place.level or level
    is_enabled = level == "all" or (level == "mentions" and news.kind != "message")
    return found if is_enabled else None


def payload_of(news: News, actor_name: str | None, *, with_text: bool) -> bytes:
    """What the push says: where it happened, and with the user's consent who wrote what."""
    said = {"type": news.kind, **news.fields}
    if with_text:
        said |= {name: text for name, text in (("title", actor_name), ("body", news.text)) if text}
    return msgspec.json.encode(said)


def _news(kind: str, audience: Audience, actor: Any, said: Mapping[str, Any], text: str | None) -> News:
    named = {
        name: str(said[name]) for name in ("feed_id", "dm_id", "thread_id", "msg_id") if said.get(name) is not None
    }
    places = tuple(
        f"{name.removesuffix('_id')}:{named[name]}" for name in ("thread_id", "feed_id", "dm_id") if name in named
    )
    if actor is not None:
        named["actor_id"] = str(actor)
    return News(kind, audience, actor, places, named, text)


def _notifications(settings: str | None) -> Notifications:
    if settings is None:
        return Notifications()
    try:
        return _decode(settings).notifications
    except msgspec.DecodeError:
        return Notifications()
