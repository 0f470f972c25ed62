"""The ledger of dial decisions: each with everything that it depended on, chained so that a change of the past shows. Pure.

An entry's digest covers the entry and the digest of the campaign's entry before it. A decision can be repeated from its entry and
the rules that the entry names, with the same function that made it.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from vox.fleet.campaigns.plans import encoded_rules
from vox.fleet.campaigns.rules.decision import Decision, DialInputs, DialRules, Verdict, decide

FIRST: Final = ""
"""What stands for the digest before a campaign's first entry."""


class Entry(msgspec.Struct, frozen=True):
    """One decision about one recipient.

    Args:
        campaign_id: of the campaign.
        recipient_id: of the recipient.
        call_id: of the call that was made, or that was stopped before it was dialled; empty where there was none.
        at_ms: when it was decided.
        verdict: as in Decision.
        reason: as in Decision.
        not_before_ms: as in Decision.
        rules_digest: names the rules that held.
        inputs: everything else that it depended on, as JSON.
        digest: over all of the above and the digest of the entry before.
    """

    campaign_id: str
    recipient_id: int
    call_id: str
    at_ms: int
    verdict: Verdict
    reason: str
    not_before_ms: int
    rules_digest: str
    inputs: str
    digest: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """A decision that was made again from its entry.

    Args:
        entry: as it was stored.
        rules: those that it names.
        repeated: what the rules say about the stored inputs today.
        is_same: whether both agree.
        is_intact: whether the entry is what its digest was made of.
    """

    entry: Entry
    rules: DialRules
    repeated: Decision
    is_same: bool
    is_intact: bool


def entry(
    campaign_id: str, recipient_id: int, call_id: str, rules_digest: str, inputs: DialInputs, decision: Decision
) -> Entry:
    """The entry of a decision, not chained yet."""
    return Entry(
        campaign_id,
        recipient_id,
        call_id,
        inputs.at_ms,
        decision.verdict,
        decision.reason,
        decision.not_before_ms,
        rules_digest,
        msgspec.json.encode(inputs).decode(),
    )


def chained(entries: Iterable[Entry], previous: str) -> list[Entry]:
    """The entries with their digests, the first one after `previous`."""
    found: list[Entry] = []
    for one in entries:
        previous = digest_of(one, previous)
        found.append(msgspec.structs.replace(one, digest=previous))
    return found


def digest_of(one: Entry, previous: str) -> str:
    """The digest of an entry after another."""
    content = msgspec.structs.replace(one, digest=previous)
    return sha256(msgspec.json.encode(content)).hexdigest()


def explained(one: Entry, rules: DialRules, previous: str) -> Explanation:
    """Makes a decision again.

    Args:
        one: the entry.
        rules: those that the entry names.
        previous: the digest of the campaign's entry before it.
    """
    inputs = msgspec.json.decode(one.inputs, type=DialInputs)
    repeated = decide(rules, inputs)
    is_same = (repeated.verdict, repeated.reason, repeated.not_before_ms) == (
        one.verdict,
        one.reason,
        one.not_before_ms,
    )
    is_intact = digest_of(one, previous) == one.digest and encoded_rules(rules)[0] == one.rules_digest
    return Explanation(one, rules, repeated, is_same, is_intact)
