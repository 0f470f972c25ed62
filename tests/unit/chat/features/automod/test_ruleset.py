"""Compiled rules: what a message triggers, for whom, and which messages are counted together."""

from typing import Any

from vox.chat.events.ids import FeedId, RoleId
from vox.chat.features.automod.rules import (
    Block,
    Contents,
    Definition,
    Flood,
    Mentions,
    Patterns,
    Repeats,
    Trigger,
    Words,
    definition_from,
    definition_text,
)
from vox.chat.features.automod.ruleset import Author, Ruleset, Sample
from vox.chat.features.automod.trial import try_samples

HERE, THERE = FeedId(1), FeedId(2)


def rule(trigger: Trigger, **more: Any) -> Definition:
    return Definition(name="r", trigger=trigger, actions=[Block()], **more)


def hit_ids(ruleset: Ruleset, sample: Sample, author: Author | None = None, feed_id: FeedId = HERE) -> list[int]:
    return [hit.rule_id for hit in ruleset.hits(sample, author or Author(), feed_id)]


def test_all_rules_are_asked_in_one_go_and_told_apart():
    rules: dict[int, Definition] = {
        1: rule(Words(words=["cat"])),
        2: rule(Words(words=["cat", "dog"])),
        3: rule(Mentions(most=1)),
        4: rule(Contents(any_of=["link", "attachment"])),
    }
    ruleset = Ruleset(rules)
    assert hit_ids(ruleset, Sample("a c4t")) == [1, 2]
    assert hit_ids(ruleset, Sample("a dog", mentions=2)) == [2, 3]
    assert hit_ids(ruleset, Sample("www.example.com", has_attachment=True)) == [4]
    assert ruleset.hits(Sample("www.example.com", has_attachment=True), Author(), HERE)[0].matched == (
        "attachment",
        "link",
    )
    assert hit_ids(ruleset, Sample("nothing")) == []


def test_exemptions():
    words = Words(words=["cat"])
    ruleset = Ruleset({
        1: rule(words, exempt_roles=[7]),
        2: rule(words, exempt_feeds=[2]),
        3: rule(words, applies_to_moderators=True),
        4: rule(words, account_younger_than_s=60),
    })  # fmt: skip
    sample = Sample("cat")
    assert hit_ids(ruleset, sample) == [1, 2, 3]
    assert hit_ids(ruleset, sample, Author(frozenset({RoleId(7)}), age_s=59)) == [2, 3, 4]
    assert hit_ids(ruleset, sample, Author(age_s=60), THERE) == [1, 3]
    assert hit_ids(ruleset, sample, Author(is_moderator=True)) == [3]
    assert ruleset.needs_age
    assert not Ruleset({1: rule(words)}).needs_age


def test_what_is_counted_together():
    ruleset = Ruleset({1: rule(Repeats(times=3, within_s=60)), 2: rule(Flood(messages=5, within_s=10))})

    def buckets(text: str) -> list[str]:
        return [count.bucket for count in ruleset.counts(Sample(text), Author(), HERE)]

    assert buckets("Buy now!") == buckets("  buy NOW") == buckets("búy nоw")
    assert buckets("buy now") != buckets("buy later")
    assert buckets("") == [""], "a file without words is no repeated text"
    categories = [
        (count.category.burst, count.category.refill_per_s) for count in ruleset.counts(Sample("x"), Author(), HERE)
    ]
    assert categories == [(2, 2 / 60), (5, 0.5)]


def test_a_pattern_that_cannot_be_compiled_here_never_matches():
    assert hit_ids(Ruleset({1: rule(Patterns(patterns=["("]))}), Sample("(")) == []


def test_a_rule_is_stored_as_it_is():
    for trigger in (Words(words=["a"], look_alikes=False), Repeats(times=2, within_s=5), Contents(any_of=["text"])):
        definition = rule(trigger, exempt_roles=[3], account_younger_than_s=9, enabled=False)
        assert definition_from(definition_text(definition)) == definition


def test_a_trial_counts_samples_like_messages_sent_at_once():
    found = try_samples(rule(Repeats(times=2, within_s=60)), ["one", "two", "ONE"])
    assert [(each.index, each.matched) for each in found] == [(2, [])]
