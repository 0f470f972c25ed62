"""How the calls of a campaign are made, beside the rules that decide when: as it is stored."""

from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

from vox.fleet.calls.contract import AmdMode, OnMachine
from vox.fleet.campaigns.rules.decision import DialRules


class CallPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every call of a campaign has in common.

    Args:
        provider: the carrier; empty for the bridge's default.
        caller_ids: numbers that calls show, in turn; none for the carrier's default.
        variables: for the bot; a recipient's own of the same name win.
        amd: answering machine detection.
        on_machine: what happens where a machine answers.
        max_duration_s: the carrier ends a call then.
        webhook_url: where the events of the calls are sent; empty for nowhere.
        pre_dial_url: asked before each call whether it may be made; empty for no check.
        pre_dial_timeout_s: how long the check may take; without an answer there is no call.
        metadata: returned with every event.
        opt_out_digits: keys that put the called person on the do-not-call list; empty for none.
    """

    provider: str = ""
    caller_ids: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    amd: AmdMode = "off"
    on_machine: OnMachine = "continue"
    max_duration_s: int = 3600
    webhook_url: str = ""
    pre_dial_url: str = ""
    pre_dial_timeout_s: float = 5.0
    metadata: dict[str, Any] = {}
    opt_out_digits: str = "9"


def encoded_rules(rules: DialRules) -> tuple[str, str]:
    """The digest that names a set of rules, and the rules as JSON."""
    body = msgspec.json.encode(rules)
    return sha256(body).hexdigest(), body.decode()


@lru_cache(maxsize=256)
def decoded_rules(body: str) -> DialRules:
    """Rules as they were stored."""
    return msgspec.json.decode(body, type=DialRules)


@lru_cache(maxsize=256)
def decoded_plan(body: str) -> CallPlan:
    """A plan as it was stored; not to be changed."""
    return msgspec.json.decode(body, type=CallPlan)
