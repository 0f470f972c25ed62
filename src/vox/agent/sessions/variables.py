"""What a call takes from the body of its session and from a query: the agent, and its variables."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

AGENT: Final = "agent"
VARIABLE_PREFIX: Final = "var."
MAX_VARIABLES: Final = 200
MAX_VALUE_CHARACTERS: Final = 10_000


def agent_name(body: Mapping[str, Any] | None) -> str:
    """The agent that a body names; empty for the default one."""
    named = (body or {}).get(AGENT)
    return named if isinstance(named, str) else ""


def call_variables(body: Mapping[str, Any] | None) -> dict[str, str]:
    """The body's fields as variables of the call: texts as they are, everything else as JSON, null left out.

    The agent's name is none of them. At most `MAX_VARIABLES`, each cut at `MAX_VALUE_CHARACTERS`: what goes into a prompt must not fill it.
    """
    found: dict[str, str] = {}
    for name, value in (body or {}).items():
        if name == AGENT or value is None:
            continue
        if len(found) == MAX_VARIABLES:
            break
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        found[name] = text[:MAX_VALUE_CHARACTERS]
    return found


def query_variables(query: Mapping[str, str]) -> dict[str, str]:
    """The variables in a request's query: `var.NAME`."""
    return {
        name.removeprefix(VARIABLE_PREFIX): value for name, value in query.items() if name.startswith(VARIABLE_PREFIX)
    }
