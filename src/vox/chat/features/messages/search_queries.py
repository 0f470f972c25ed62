"""The SQL of the message search. The places a caller may read are part of each statement.

Two ways find a message: the index of words, over all messages; and the typed text itself anywhere in a body, which SQLite looks
for in the newest messages only and PostgreSQL in all of them where it has trigrams. Both are bounded in candidates and in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vox.chat.api.fields import MAX_ID
from vox.chat.errors import refuse
from vox.chat.events.ids import DmId, FeedId
from vox.chat.features.messages.history_queries import COLUMNS, FROM, with_attachments
from vox.chat.features.messages.schemas import Message, SearchQuery
from vox.chat.features.messages.search_query import ParsedQuery, fts5, like, parse_query, tsquery
from vox.stores.sql import Connection, raw
from vox.stores.statements import Statement
from vox.stores.time_limits import TimeLimitError, time_limit

CANDIDATES: Final = 20_000
"""Hits of the index that are examined, the newest first; a word in nearly every message would yield millions."""
SCANNED: Final = 5_000
"""Newest messages that are searched for the text itself where no index helps."""
DEADLINE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search: some feeds, or one conversation."""

    feed_ids: Sequence[FeedId] = ()
    dm_id: DmId | None = None


def find(connection: Connection, *, scope: Scope, query: SearchQuery, limit: int) -> list[Message]:
    """The messages of a scope that match.

    Args:
        connection: of a reader.
        scope: where the caller may read.
        query: the search; its own places are ignored.
        limit: how many at most.

    Raises:
        Refusal: UNAVAILABLE where the search took too long.
    """
    parsed = parse_query(query.query)
    if not parsed.whole:
        return []
    try:
        with time_limit(connection, DEADLINE_S):
            if connection.dialect.name != "sqlite":
                # A plan that is made for every word is a bad one for a rare word.
                raw(connection).execute("SET LOCAL plan_cache_mode = force_custom_plan")
            return _find(connection, scope, query, parsed, limit)
    except TimeLimitError:
        raise refuse("UNAVAILABLE", "The search took too long; search for less common words.") from None


def _find(connection: Connection, scope: Scope, query: SearchQuery, parsed: ParsedQuery, limit: int) -> list[Message]:
    is_sqlite = connection.dialect.name == "sqlite"
    values: dict[str, Any] = {
        "feeds": msgspec.json.encode(scope.feed_ids).decode() if is_sqlite else list(scope.feed_ids),
        "dm_id": scope.dm_id,
        "author_id": query.author_id,
        "thread_id": query.thread_id,
        "before": MAX_ID if query.before is None else query.before,
        "after": -1 if query.after is None else query.after,
        "whole": parsed.whole if is_sqlite else like(parsed.whole),
        "words": fts5(parsed.words) if is_sqlite else tsquery(parsed.words),
        "candidates": CANDIDATES,
        "scanned": SCANNED,
        "limit": limit,
    }
    filters = [_place(scope, is_sqlite=is_sqlite), *_filters(query)]
    literals: list[str] = []
    for number, text in enumerate(parsed.literals):
        values[f"literal_{number}"] = text if is_sqlite else like(text)
        literals.append(_contains(f":literal_{number}", is_sqlite=is_sqlite))
    ids: set[int] = set()
    if not is_sqlite and parsed.words:
        # What nearly every message has is found among the newest; the indexes would first collect all of its hits.
        recent = _among(_NEWEST_WITH_VECTORS, [*filters, _matches([*literals])], is_sqlite=False)
        ids.update(row[0] for row in Statement(recent).rows(connection, values))
    ways: list[str] = []
    if len(ids) < limit:
        ways.append(_anywhere(connection, filters, parsed, is_sqlite=is_sqlite))
        if parsed.words:
            ways.append(_by_words([*filters, *literals], is_sqlite=is_sqlite))
    for way in ways:
        ids.update(row[0] for row in Statement(way).rows(connection, values))
    newest = sorted(ids, reverse=True)[:limit]
    if not newest:
        return []
    listed = msgspec.json.encode(newest).decode() if is_sqlite else newest
    return with_attachments(connection, _FOUND.rows(connection, {"ids": listed}))


def _by_words(filters: Sequence[str], *, is_sqlite: bool) -> str:
    if is_sqlite:
        # A CROSS JOIN keeps the order of its left side, which the index gives.
        hits = (
            f"SELECT {_LOOKED_AT} FROM message_search s CROSS JOIN messages m ON m.id = s.rowid"  # noqa: S608  our own texts only
            " WHERE message_search MATCH :words AND s.rowid < :before AND s.rowid > :after"
            " ORDER BY s.rowid DESC LIMIT :candidates"
        )
    else:
        hits = (
            f"SELECT {_LOOKED_AT} FROM messages m WHERE m.search_vector @@ to_tsquery('simple', :words)"  # noqa: S608  our own texts only
            " AND m.id < :before AND m.id > :after ORDER BY m.id DESC LIMIT :candidates"
        )
    return _among(hits, filters, is_sqlite=is_sqlite)


def _anywhere(connection: Connection, filters: Sequence[str], parsed: ParsedQuery, *, is_sqlite: bool) -> str:
    filters = [*filters, _contains(":whole", is_sqlite=is_sqlite)]
    between = "m.id < :before AND m.id > :after"
    if not is_sqlite and len(parsed.whole) >= _TRIGRAM and _TRIGRAMS.row(connection, {}):
        where = " AND ".join([between, *filters])
        return f"SELECT m.id FROM messages m WHERE {where} ORDER BY m.id DESC LIMIT :limit"  # noqa: S608  our own texts only
    newest = f"SELECT {_LOOKED_AT} FROM messages m WHERE {between} ORDER BY m.id DESC LIMIT :scanned"  # noqa: S608  our own texts only
    return _among(newest, filters, is_sqlite=is_sqlite)


def _among(candidates: str, filters: Sequence[str], *, is_sqlite: bool) -> str:
    """The newest of the candidates that pass the filters."""
    # SQLite takes them one by one, in their order, and stops at the limit; ORDER BY would make it take all of them first.
    order = "" if is_sqlite else "ORDER BY m.id DESC"
    where = " AND ".join(filters)
    return f"SELECT m.id FROM ({candidates}) m WHERE {where} {order} LIMIT :limit"  # noqa: S608  our own texts only


def _matches(literals: Sequence[str]) -> str:
    """The condition of both ways at once on PostgreSQL: the typed text itself, or its words with what must be in it."""
    by_words = " AND ".join(("m.search_vector @@ to_tsquery('simple', :words)", *literals))
    return f"({_contains(':whole', is_sqlite=False)} OR ({by_words}))"


def _contains(parameter: str, *, is_sqlite: bool) -> str:
    # SQLite's LIKE tries every position letter by letter; instr compares memory. PostgreSQL has its trigrams for LIKE.
    return f"instr(m.search_text, {parameter})" if is_sqlite else f"m.search_text LIKE {parameter} ESCAPE '\\'"


def _place(scope: Scope, *, is_sqlite: bool) -> str:
    if scope.dm_id is not None:
        return "m.dm_id = :dm_id"
    return "m.feed_id IN (SELECT value FROM json_each(:feeds))" if is_sqlite else "m.feed_id = ANY(:feeds)"


def _filters(query: SearchQuery) -> list[str]:
    found: list[str] = []
    if query.author_id is not None:
        found.append("m.author_id = :author_id")
    if query.thread_id is not None:
        found.append("m.thread_id = :thread_id")
    for flag, condition in (
        (query.has_file, "EXISTS (SELECT 1 FROM message_attachments a WHERE a.msg_id = m.id)"),
        (query.has_embed, "m.embed IS NOT NULL"),
        (query.pinned, "EXISTS (SELECT 1 FROM pins p WHERE p.msg_id = m.id)"),
    ):
        if flag is not None:
            found.append(condition if flag else f"NOT {condition}")
    return found


_LOOKED_AT: Final = "m.id, m.feed_id, m.dm_id, m.thread_id, m.author_id, m.search_text, m.embed"
_NEWEST_WITH_VECTORS: Final = (
    f"SELECT {_LOOKED_AT}, m.search_vector FROM messages m WHERE m.id < :before AND m.id > :after"  # noqa: S608  our own texts only
    " ORDER BY m.id DESC LIMIT :scanned"
)
_TRIGRAM: Final = 3
_TRIGRAMS: Final = Statement("SELECT 1", "SELECT 1 WHERE to_regclass('ix_messages_body_trigrams') IS NOT NULL")
_FOUND: Final = Statement(
    f"SELECT {COLUMNS} {FROM} WHERE m.id IN (SELECT value FROM json_each(:ids)) ORDER BY m.id DESC",  # noqa: S608  our own texts only
    f"SELECT {COLUMNS} {FROM} WHERE m.id = ANY(:ids) ORDER BY m.id DESC",
)
