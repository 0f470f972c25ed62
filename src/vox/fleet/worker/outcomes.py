"""How a call ended, in the words of bridge and dialler, from the agent server's. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vox.fleet.worker.contract import EndedCall
from vox.fleet.worker.reservations import Reserved

_DISCONNECTED_BY: Final[Mapping[str, str]] = {
    "hung_up": "customer",
    "client_left": "customer",
    "transferred": "transfer_to_agent",
    "failed": "error",
    "line_lost": "error",
    "rejected": "error",
    "server_stopping": "error",
}
"""Every other reason is one of ours: the agent ended the call."""


_ANSWERED_BY_MACHINE: Final = frozenset({"voicemail", "screened"})


def disconnected_by(reason: str) -> str:
    """Who ended a call: `customer`, `bot`, `transfer_to_agent` or `error`."""
    return _DISCONNECTED_BY.get(reason, "bot")


def outcome_of(reason: str) -> str:
    """What a call came to: who ended it, or `voicemail` where a machine answered."""
    return reason if reason in _ANSWERED_BY_MACHINE else disconnected_by(reason)


def sip_outcome(status: int) -> str:
    """The outcome of a call that a SIP status ended before it was answered."""
    return {408: "no_answer", 480: "no_answer", 486: "rejected", 603: "rejected"}.get(status, "error")


def transcript(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What was said, without instructions and tools."""
    return [
        {"role": "bot" if message["role"] == "assistant" else "customer", "content": str(message["content"])}
        for message in messages
        if message.get("role") in {"assistant", "user"} and message.get("content")
    ]


def result_of(call: EndedCall, reserved: Reserved | None, *, worker_id: str, ended_at: str) -> dict[str, Any]:
    """The result of a call, as VoxCore posts it and with what the bridge asks for besides."""
    lines = transcript(call.messages)
    return {
        "session_id": call.session_id,
        "stream_id": call.variables.get("carrier_stream_id", "") or call.carrier_call_id,
        "call_id": call.call_id,
        "bot_id": (reserved.bot_id if reserved is not None else "") or call.variables.get("bot_id", ""),
        "caller_id": call.caller,
        "callee_id": call.callee,
        "transcript": lines,
        "digits": list(call.digits),
        "analysis": None,
        "transfer": call.reason == "transferred",
        "disconnected_by": disconnected_by(call.reason),
        "outcome": outcome_of(call.reason),
        "reason": call.reason,
        "ended_at": ended_at,
        "metrics": {
            "duration_seconds": round(call.seconds, 3),
            "customer_turns": sum(line["role"] == "customer" for line in lines),
            "bot_turns": sum(line["role"] == "bot" for line in lines),
        },
        "provider": call.transport,
        "worker_id": worker_id,
    }
