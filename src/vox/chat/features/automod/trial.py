"""A dry run: what a rule would have caught, in texts and in the latest messages; it changes and counts nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from vox.chat.events.ids import FeedId, UserId
from vox.chat.features.automod import queries
from vox.chat.features.automod.rules import Definition
from vox.chat.features.automod.ruleset import Author, Ruleset, Sample
from vox.chat.features.automod.schemas import CaughtMessage, CaughtSample, TrialResult
from vox.http.rate_limits import MemoryRateLimits
from vox.stores.sql import Connection

LISTED_MOST: Final = 200
RULE: Final = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the authors when a trial begins; roles are those of now."""

    authors: dict[UserId, Author]
    administrators: frozenset[UserId]


def try_samples(rule: Definition, samples: list[str]) -> list[CaughtSample]:
    """The samples that a rule would catch, as messages of one new member sent at once."""
    ruleset, limits = Ruleset({RULE: rule}), MemoryRateLimits()
    author = Author(age_s=0)
    found: list[CaughtSample] = []
    for index, text in enumerate(samples):
        matched = _matched(ruleset, limits, Sample(text, text.count("<@")), author, UserId(0), FeedId(0), 0.0)
        if matched is not None:
            found.append(CaughtSample(index, matched))
    return found


def try_messages(
    connection: Connection, *, rule: Definition, feed_ids: Collection[FeedId], limit: int, standing: Standing
) -> TrialResult:
    """What a rule would have caught among the latest messages; runs on a reader's thread.

    Args:
        connection: of a reader.
        rule: the rule.
        feed_ids: feeds that the caller may read.
        limit: how many messages are looked at.
        standing: of the authors.
    """
    rows = queries.latest_messages(connection, feed_ids, limit=limit)
    made = queries.ages_of(connection, {row[2] for row in rows if row[2] is not None})
    ruleset, limits = Ruleset({RULE: rule}), MemoryRateLimits()
    found: list[CaughtMessage] = []
    caught = 0
    for msg_id, feed_id, author_id, body, embed, timestamp in rows:
        if author_id in standing.administrators:
            continue
        known = standing.authors.get(author_id, Author()) if author_id is not None else Author()
        age_s = None if author_id is None else max(0, timestamp // 1000 - made.get(author_id, 0))
        author = Author(known.role_ids, known.is_moderator, age_s)
        text = "\n".join(part for part in (body, embed) if part)
        sample = Sample(text, text.count("<@"), has_embed=embed is not None)
        matched = _matched(ruleset, limits, sample, author, author_id or UserId(0), feed_id, timestamp / 1000)
        if matched is not None:
            caught += 1
            found.append(CaughtMessage(msg_id, feed_id, author_id, body, matched))
    return TrialResult([], found[-LISTED_MOST:], len(rows), caught)


def _matched(
    ruleset: Ruleset,
    limits: MemoryRateLimits,
    sample: Sample,
    author: Author,
    author_id: UserId,
    feed_id: FeedId,
    moment: float,
) -> list[str] | None:
    """What in a message the rule catches; None where it does not."""
    for hit in ruleset.hits(sample, author, feed_id):
        return list(hit.matched)
    for count in ruleset.counts(sample, author, feed_id):
        if limits.take(f"{author_id}:{count.bucket}", count.category, moment).retry_after_s is not None:
            return []
    return None
