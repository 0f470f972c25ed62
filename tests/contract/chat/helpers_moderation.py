"""Short words for what tests of moderation do again and again."""

from typing import Any

from tests.contract.chat.harness import Person

BLOCK = {"type": "block", "message": "Please stay friendly."}


async def make_rule(admin: Person, trigger: dict[str, Any], *actions: dict[str, Any], **more: Any) -> int:
    """A new rule's id; it blocks where no action is given."""
    body = {"name": "rule", "trigger": trigger, "actions": list(actions) or [BLOCK], **more}
    return (await admin.ok("POST", "/moderation/rules", body))["rule_id"]


def words(*listed: str, **more: Any) -> dict[str, Any]:
    """A trigger by words."""
    return {"type": "words", "words": list(listed), **more}
