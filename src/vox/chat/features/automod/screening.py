"""Asks the rules about a message before it is stored, and says what they want done.

Where no rule is enabled and raid mode is off, none of this is called. Rules are compiled once for each change of them, on a
thread, because thousands of words take some milliseconds.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec

from vox.chat.context import ChatContext
from vox.chat.errors import refuse
from vox.chat.events.ids import FeedId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.automod import queries
from vox.chat.features.automod.rules import Definition, definition_from
from vox.chat.features.automod.ruleset import Author, Hit, Ruleset, Sample
from vox.http.rate_limits import MemoryRateLimits, RateCategory, RateDecision
from vox.runtime.logging import get_logger

AGES_KEPT: Final = 10_000
HEAVY: Final = 200_000
"""Instructions of regular expressions times characters, from which on a thread looks at a message: beyond some milliseconds at worst."""
WEBHOOK: Final = Author()
AUDITED: Final = RateCategory("audit", 20, 0.1)
TOLD: Final = RateCategory("told", 3, 1 / 60)
"""How often one author makes one rule write into the audit log, and into the queue of reports or a feed."""

_log = get_logger(__name__)


@dataclass(slots=True)
class Screening:
    """What a process keeps for its rules.

    Args:
        compiled: the community's rules, which are compared by identity, and what they were compiled to; replaced together.
        ages: when accounts were made, in Unix seconds; the least recently asked are forgotten first.
        limits: how often hits are written down.
    """

    compiled: tuple[Mapping[int, str], Ruleset] = field(default_factory=lambda: ({}, Ruleset({})))
    ages: "OrderedDict[UserId, int]" = field(default_factory=OrderedDict[UserId, int])
    limits: MemoryRateLimits = field(default_factory=MemoryRateLimits)


async def current_ruleset(chat: ChatContext) -> Ruleset:
    """The rules of now, compiled."""
    kept, rules = chat.kept(Screening), chat.community.rules
    source, ruleset = kept.compiled
    if source is not rules:
        ruleset = await asyncio.to_thread(partial(compiled, rules))
        kept.compiled = rules, ruleset
    return ruleset


def compiled(rules: Mapping[int, str]) -> Ruleset:
    """Stored rules as a ruleset; one that cannot be read is left out and logged."""
    definitions: dict[int, Definition] = {}
    for rule_id, text in rules.items():
        try:
            definitions[rule_id] = definition_from(text)
        except msgspec.DecodeError as error:
            _log.warning("a rule of auto-moderation cannot be read and is left out", rule_id=rule_id, error=str(error))
    return Ruleset(definitions)


async def triggered(chat: ChatContext, author_id: UserId | None, feed_id: FeedId, sample: Sample) -> Sequence[Hit]:
    """The rules that a message triggers; rules that count have counted it then.

    Args:
        chat: the server.
        author_id: the author; None for a webhook.
        feed_id: where it is written.
        sample: the message.

    Raises:
        Refusal: ACCOUNT_TOO_NEW.
    """
    community = chat.community
    if author_id is not None and community.is_administrator(author_id):
        return ()
    ruleset = await current_ruleset(chat)
    author = WEBHOOK if author_id is None else await _author(chat, author_id, feed_id, ruleset)
    if ruleset.pattern_size * len(sample.text) > HEAVY:
        hits = await asyncio.to_thread(partial(ruleset.hits, sample, author, feed_id))
    else:
        hits = ruleset.hits(sample, author, feed_id)
    for count in ruleset.counts(sample, author, feed_id):
        key = f"{count.rule_id}:{author_id or 0}:{count.bucket}"
        decision = chat.spam_limits.take(key, count.category, chat.clock.now())
        if not isinstance(decision, RateDecision):
            decision = await decision
        if decision.retry_after_s is not None:
            hits.append(Hit(count.rule_id, count.rule))
    return hits


def may_write_down(chat: ChatContext, hit: Hit, author_id: UserId | None, category: RateCategory) -> bool:
    """Whether a hit is written down, or was so often lately that this one is only acted on."""
    decision = chat.kept(Screening).limits.take(f"{hit.rule_id}:{author_id or 0}", category, chat.clock.now())
    return decision.retry_after_s is None


async def _author(chat: ChatContext, author_id: UserId, feed_id: FeedId, ruleset: Ruleset) -> Author:
    community = chat.community
    person = community.users.get(author_id)
    is_moderator = community.may_in(author_id, "feed", feed_id, P.MANAGE_MESSAGES)
    raid = community.raid
    wait_s = raid.new_account_wait_s if raid is not None and not is_moderator else 0
    age_s: int | None = None
    if wait_s or ruleset.needs_age:
        age_s = chat.clock.unix_s() - await _created_at(chat, author_id)
        if age_s < wait_s:
            left_s = wait_s - age_s
            raise refuse(
                "ACCOUNT_TOO_NEW",
                f"New accounts cannot write at the moment: try again in {left_s} s.",
                retry_after_ms=left_s * 1000,
            )
    return Author(person.role_ids if person is not None else frozenset(), is_moderator, age_s)


async def _created_at(chat: ChatContext, user_id: UserId) -> int:
    ages = chat.kept(Screening).ages
    known = ages.get(user_id)
    if known is None:
        known = await chat.read(partial(queries.created_at, user_id=user_id))
        if len(ages) >= AGES_KEPT:
            ages.popitem(last=False)
    ages[user_id] = known
    ages.move_to_end(user_id)
    return known
