"""Units of work that store rules and turn raid mode on and off, and the checks of a rule before it is stored."""

import msgspec

from vox.chat.api.validation import validate_name, validate_prose
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import automod_rule_delete, automod_rule_update
from vox.chat.events.ids import FeedId, UserId
from vox.chat.features.automod import queries
from vox.chat.features.automod.links import normalised_domain
from vox.chat.features.automod.patterns import Pattern
from vox.chat.features.automod.rules import (
    LONGEST_NAME,
    MAX_PATTERNS,
    MAX_RULES,
    MAX_WORDS,
    Block,
    Definition,
    Links,
    Notify,
    Patterns,
    Rule,
    Words,
    definition_text,
)
from vox.chat.features.automod.words import problem_with_word
from vox.chat.identity.joins import Measures, RaidPolicy, end_raid, start_raid, store_policy
from vox.stores.sql import Connection


def checked(chat: ChatContext, definition: Definition) -> Definition:
    """A rule as it is stored.

    Raises:
        Refusal: VALIDATION_ERROR, naming the word, domain or pattern; SPACE_NOT_FOUND for the feed of a note.
    """
    limits = {"automod_rule_name_max": LONGEST_NAME, "automod_message_max": 300}
    name = validate_name(limits.__getitem__, "name", definition.name, "automod_rule_name_max")
    for action in definition.actions:
        if isinstance(action, Block):
            validate_prose(limits.__getitem__, "actions[].message", action.message, "automod_message_max")
        elif isinstance(action, Notify) and FeedId(action.feed_id) not in chat.community.feeds:
            raise refuse("SPACE_NOT_FOUND", f"There is no feed {action.feed_id}.")
    kinds = [type(action) for action in definition.actions]
    if len(set(kinds)) < len(kinds):
        raise _invalid("actions", "each kind of action once")
    trigger = definition.trigger
    if isinstance(trigger, Words):
        for word in trigger.words:
            if problem := problem_with_word(word, look_alikes=trigger.look_alikes):
                raise _invalid("trigger.words", f"that {problem} (found {word!r})")
    elif isinstance(trigger, Links):
        for domain in (*trigger.deny, *(trigger.allow or ())):
            if not normalised_domain(domain):
                raise _invalid("trigger", f"domains such as example.com (found {domain!r})")
        if not trigger.deny and trigger.allow is None and not trigger.invites:
            raise _invalid("trigger", "at least one of deny, allow and invites")
    elif isinstance(trigger, Patterns):
        for text in trigger.patterns:
            try:
                Pattern(text)
            except ValueError as error:
                raise _invalid("trigger.patterns", f"{error} (found {text!r})") from None
    return msgspec.structs.replace(definition, name=name)


def create_rule(connection: Connection, *, actor_id: UserId, definition: Definition, now_s: int) -> Change[Rule]:
    """Stores a rule.

    Raises:
        Refusal: INVALID_OPERATION where there are too many rules, words or patterns.
    """
    lock_event_order(connection)
    rule_id = queries.insert_rule(connection, definition, creator_id=actor_id, now_s=now_s)
    _check_size(connection)
    return _stored(connection, rule_id, definition, "automod.rule_create", actor_id)


def change_rule(
    connection: Connection, *, actor_id: UserId, rule_id: int, definition: Definition, now_s: int
) -> Change[Rule]:
    """Replaces a rule.

    Raises:
        Refusal: RULE_NOT_FOUND; INVALID_OPERATION where there are too many words or patterns.
    """
    lock_event_order(connection)
    if queries.find_rule(connection, rule_id) is None:
        raise no_rule(rule_id)
    queries.update_rule(connection, rule_id, definition, now_s=now_s)
    _check_size(connection)
    return _stored(connection, rule_id, definition, "automod.rule_update", actor_id)


def delete_rule(connection: Connection, *, actor_id: UserId, rule_id: int) -> Change[None]:
    """Deletes a rule.

    Raises:
        Refusal: RULE_NOT_FOUND.
    """
    lock_event_order(connection)
    name = queries.delete_rule(connection, rule_id)
    if name is None:
        raise no_rule(rule_id)
    audit = AuditEntry("automod.rule_delete", actor_id, rule_id, {"rule": name})
    return Change(None, [automod_rule_delete(rule_id=rule_id)], [audit])


def change_policy(connection: Connection, *, actor_id: UserId, policy: RaidPolicy) -> Change[None]:
    """Stores when raid mode turns itself on."""
    store_policy(connection, policy)
    return Change(None, (), [AuditEntry("raid.policy", actor_id, None, msgspec.to_builtins(policy))])


def turn_raid_on(connection: Connection, *, actor_id: UserId, measures: Measures, now_s: int) -> Change[None]:
    """Turns raid mode on by hand, or changes its measures."""
    lock_event_order(connection)
    event = start_raid(connection, measures, now_s, is_automatic=False)
    return Change(None, [event], [AuditEntry("raid.start", actor_id, None, dict(event.payload))])


def turn_raid_off(connection: Connection, *, actor_id: UserId) -> Change[None]:
    """Turns raid mode off; does nothing where it is off."""
    lock_event_order(connection)
    event = end_raid(connection)
    return Change(None) if event is None else Change(None, [event], [AuditEntry("raid.end", actor_id)])


def no_rule(rule_id: int) -> Refusal:
    """The refusal where a rule does not exist."""
    return refuse("RULE_NOT_FOUND", f"There is no rule {rule_id}.")


def _stored(
    connection: Connection, rule_id: int, definition: Definition, event_type: str, actor_id: UserId
) -> Change[Rule]:
    rule = queries.find_rule(connection, rule_id)
    if rule is None:
        raise no_rule(rule_id)
    event = automod_rule_update(
        rule_id=rule_id, name=definition.name, enabled=definition.enabled, definition=definition_text(definition)
    )
    trigger = str(definition.trigger.__struct_config__.tag)
    metadata = {"rule": definition.name, "enabled": definition.enabled, "trigger": trigger}
    return Change(rule, [event], [AuditEntry(event_type, actor_id, rule_id, metadata)])


def _check_size(connection: Connection) -> None:
    rules = queries.list_rules(connection)
    words = sum(len(rule.trigger.words) for rule in rules if isinstance(rule.trigger, Words))
    patterns = sum(len(rule.trigger.patterns) for rule in rules if isinstance(rule.trigger, Patterns))
    for count, most, what in (
        (len(rules), MAX_RULES, "rules"),
        (words, MAX_WORDS, "words in all rules together"),
        (patterns, MAX_PATTERNS, "patterns in all rules together"),
    ):
        if count > most:
            raise refuse("INVALID_OPERATION", f"There may be at most {most} {what}.")


def _invalid(field: str, wish: str) -> Refusal:
    return refuse("VALIDATION_ERROR", f"body.{field}: expected {wish}")
