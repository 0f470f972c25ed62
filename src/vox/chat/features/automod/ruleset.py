"""The rules that are enabled, compiled: what a message triggers. Pure; what must be counted over time is named, not counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from vox.chat.events.ids import FeedId, RoleId
from vox.chat.features.automod.links import Domains, Link, is_invite, links_in, normalised_domain
from vox.chat.features.automod.patterns import Pattern
from vox.chat.features.automod.rules import (
    Contents,
    Definition,
    Flood,
    Links,
    Mentions,
    Patterns,
    Repeats,
    Words,
)
from vox.chat.features.automod.words import WordList, WordMatcher
from vox.http.rate_limits import RateCategory
from vox.text.disguises import key_of

SHOWN_MOST: Final = 5
"""Matches of one rule that are named."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What rules look at of a message.

    Args:
        text: its body, and the texts and addresses of its embed.
        mentions: how many are mentioned.
        has_attachment: whether files are attached.
        has_embed: whether it has a card.
    """

    text: str
    mentions: int = 0
    has_attachment: bool = False
    has_embed: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """What rules ask of an author.

    Args:
        role_ids: their roles; none for a webhook.
        is_moderator: whether they hold MANAGE_MESSAGES in the feed.
        age_s: how old the account is; None where no rule needs it.
    """

    role_ids: frozenset[RoleId] = frozenset()
    is_moderator: bool = False
    age_s: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that a message triggers, and what in it does."""

    rule_id: int
    rule: Definition
    matched: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """A rule that a message triggers where its bucket is empty.

    Args:
        rule_id: which rule.
        rule: the rule.
        bucket: whose messages are counted together, besides their author.
        category: how many there may be.
    """

    rule_id: int
    rule: Definition
    bucket: str
    category: RateCategory


class Ruleset:
    """Compiled rules.

    Args:
        rules: by id. A pattern that this server cannot compile never matches: its rule was made by a server with more packages.
    """

    def __init__(self, rules: Mapping[int, Definition]) -> None:
        self.rules = rules
        self.pattern_size = 0
        """Instructions of all regular expressions together."""
        self.needs_age = any(rule.account_younger_than_s is not None for rule in rules.values())
        lists: list[WordList] = []
        self._checks: list[tuple[int, Callable[[_Parsed], Sequence[str]]]] = []
        self._counted: list[tuple[int, Definition]] = []
        for rule_id, rule in rules.items():
            match rule.trigger:
                case Words() as words:
                    lists.append(WordList(rule_id, words.words, words.look_alikes))
                case Links() as links:
                    self._checks.append((rule_id, _LinkCheck(links)))
                case Patterns() as patterns:
                    check = _PatternCheck(patterns)
                    self.pattern_size += check.size
                    self._checks.append((rule_id, check))
                case Mentions() as mentions:
                    self._checks.append((rule_id, _MentionCheck(mentions)))
                case Contents() as contents:
                    self._checks.append((rule_id, _ContentCheck(contents)))
                case Repeats() | Flood():
                    self._counted.append((rule_id, rule))
        self._words = WordMatcher(lists) if lists else None

    def applies(self, rule: Definition, author: Author, feed_id: FeedId) -> bool:
        """Whether a rule counts for an author in a feed."""
        if author.is_moderator and not rule.applies_to_moderators:
            return False
        if feed_id in rule.exempt_feeds or not author.role_ids.isdisjoint(rule.exempt_roles):
            return False
        youngest = rule.account_younger_than_s
        return youngest is None or (author.age_s is not None and author.age_s < youngest)

    def hits(self, sample: Sample, author: Author, feed_id: FeedId) -> list[Hit]:
        """The rules that a message triggers by itself."""
        matched: dict[int, Sequence[str]] = {}
        if self._words is not None:
            matched.update(self._words.find(sample.text))
        if self._checks:
            parsed = _Parsed(sample)
            for rule_id, check in self._checks:
                if found := check(parsed):
                    matched[rule_id] = found
        return [
            Hit(rule_id, rule, tuple(matched[rule_id][:SHOWN_MOST]))
            for rule_id in sorted(matched)
            if self.applies(rule := self.rules[rule_id], author, feed_id)
        ]

    def counts(self, sample: Sample, author: Author, feed_id: FeedId) -> list[Count]:
        """The rules that count an author's messages, and in which bucket this one falls."""
        found: list[Count] = []
        for rule_id, rule in self._counted:
            if not self.applies(rule, author, feed_id):
                continue
            trigger = rule.trigger
            if isinstance(trigger, Flood):
                rate = trigger.messages / trigger.within_s
                found.append(Count(rule_id, rule, "", RateCategory("automod", trigger.messages, rate)))
            elif isinstance(trigger, Repeats) and (said := key_of(sample.text)):
                digest = blake2b(said.encode(), digest_size=12).hexdigest()
                most = trigger.times - 1
                found.append(Count(rule_id, rule, digest, RateCategory("automod", most, most / trigger.within_s)))
        return found


class _Parsed:
    """A sample, and the links in it, which are looked for once."""

    __slots__ = ("_links", "sample")

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self._links: list[Link] | None = None

    @property
    def links(self) -> list[Link]:
        if self._links is None:
            self._links = links_in(self.sample.text)
        return self._links


class _LinkCheck:
    def __init__(self, trigger: Links) -> None:
        self._denied = Domains(filter(None, map(normalised_domain, trigger.deny)))
        allowed = trigger.allow
        self._allowed = None if allowed is None else Domains(filter(None, map(normalised_domain, allowed)))
        self._invites = trigger.invites

    def __call__(self, parsed: _Parsed) -> Sequence[str]:
        return [link.host for link in parsed.links if self._is_caught(link)]

    def _is_caught(self, link: Link) -> bool:
        allowed = self._allowed
        if allowed is not None and allowed.covers(link.host):
            return False
        if self._denied and self._denied.resembles(link.host):
            return True
        return (allowed is not None and link.is_certain) or (self._invites and is_invite(link))


class _PatternCheck:
    def __init__(self, trigger: Patterns) -> None:
        self._patterns: list[Pattern] = []
        self.size = 0
        for text in trigger.patterns:
            try:
                pattern = Pattern(text)
            except ValueError:
                continue
            self._patterns.append(pattern)
            self.size += pattern.size

    def __call__(self, parsed: _Parsed) -> Sequence[str]:
        return [pattern.text for pattern in self._patterns if pattern.matches(parsed.sample.text)]


class _MentionCheck:
    def __init__(self, trigger: Mentions) -> None:
        self._most = trigger.most

    def __call__(self, parsed: _Parsed) -> Sequence[str]:
        count = parsed.sample.mentions
        return [f"{count} mentions"] if count > self._most else []


class _ContentCheck:
    def __init__(self, trigger: Contents) -> None:
        self._kinds = frozenset(trigger.any_of)

    def __call__(self, parsed: _Parsed) -> Sequence[str]:
        sample, kinds = parsed.sample, self._kinds
        has = {
            "text": bool(sample.text.strip()),
            "attachment": sample.has_attachment,
            "embed": sample.has_embed,
            "mention": sample.mentions > 0,
            "link": "link" in kinds and any(link.is_certain for link in parsed.links),
        }
        return [kind for kind in sorted(kinds) if has[kind]]
