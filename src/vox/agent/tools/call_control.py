"""What a model can do with the call itself: end it, press keys, put the caller through."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vox.agent.tools.contract import error_result
from vox.agent.tools.settings import Transfer, no_parameters
from vox.providers.llm.contract import ToolSpec

MAX_KEYS: Final = 64
KEYS: Final = frozenset("0123456789*#ABCD")
DONE: Final = '{"ok": true}'
INTERRUPTED: Final = "the caller interrupted"
END_CALL: Final = ToolSpec("end_call", "Ends the call politely once everything is said.", no_parameters())
PRESS_KEYS: Final = ToolSpec(
    "press_keys",
    "Presses keys on the telephone, for menus that ask for them.",
    {
        "type": "object",
        "properties": {"keys": {"type": "string", "pattern": "^[0-9*#A-D]+$"}},
        "required": ["keys"],
    },
)
TRANSFER: Final = "transfer_call"


@dataclass(frozen=True, slots=True)
class CallActions:
    """What the answer that asks for a tool can have done.

    Attributes:
        press: presses keys towards the caller's side; False where the answer is over.
        transfer: announces and puts the caller through; the result as JSON text.
    """

    press: Callable[[str], Awaitable[bool]]
    transfer: Callable[[Transfer], Awaitable[str]]


def transfer_spec(transfers: Mapping[str, Transfer]) -> ToolSpec:
    """The tool that puts the caller through to one of these: the model chooses a name, never a number."""
    places = "; ".join(f"{name}: {one.description}" if one.description else name for name, one in transfers.items())
    return ToolSpec(
        TRANSFER,
        f"Puts the caller through to a person or department and ends your part of the call. Destinations: {places}",
        {
            "type": "object",
            "properties": {"destination": {"type": "string", "enum": list(transfers)}},
            "required": ["destination"],
        },
    )


async def run_press(arguments: Mapping[str, Any], actions: CallActions) -> str:
    """Presses the keys that the model gave."""
    keys = str(arguments.get("keys", ""))
    if not keys or len(keys) > MAX_KEYS or not KEYS.issuperset(keys):
        return error_result(f"give 1 to {MAX_KEYS} keys of {''.join(sorted(KEYS))}")
    return DONE if await actions.press(keys) else error_result(INTERRUPTED)


async def run_transfer(arguments: Mapping[str, Any], transfers: Mapping[str, Transfer], actions: CallActions) -> str:
    """Puts the caller through to the destination that the model chose."""
    target = transfers.get(str(arguments.get("destination", "")))
    if target is None:
        return error_result(f"there is no such destination; choose one of {', '.join(transfers)}")
    return await actions.transfer(target)
