"""How a call ended, in the words of bridge and dialler."""

import pytest

from vox.fleet.worker.contract import EndedCall
from vox.fleet.worker.outcomes import disconnected_by, outcome_of, result_of, sip_outcome, transcript
from vox.fleet.worker.reservations import Reserved

MESSAGES = (
    {"role": "system", "content": "You are a bot."},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "My number is 5."},
    {"role": "assistant", "tool_calls": [{"id": "1"}]},
    {"role": "tool", "content": "{}"},
    {"role": "assistant", "content": ""},
)


@pytest.mark.parametrize(
    ("reason", "who"),
    [
        ("hung_up", "customer"),
        ("agent_ended", "bot"),
        ("idle", "bot"),
        ("transferred", "transfer_to_agent"),
        ("failed", "error"),
        ("rejected", "error"),
        ("server_stopping", "error"),
    ],
)
def test_who_ended_a_call(reason, who):
    assert disconnected_by(reason) == outcome_of(reason) == who


def test_a_machine_that_answered_is_the_outcome():
    assert outcome_of("voicemail") == "voicemail"
    assert disconnected_by("voicemail") == "bot"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(408, "no_answer"), (480, "no_answer"), (486, "rejected"), (603, "rejected"), (500, "error"), (200, "error")],
)
def test_sip_statuses(status, outcome):
    assert sip_outcome(status) == outcome


def test_a_transcript_has_what_was_said_only():
    assert transcript(MESSAGES) == [
        {"role": "bot", "content": "Hello!"},
        {"role": "customer", "content": "My number is 5."},
    ]


def test_the_result_of_a_call_names_everything_that_the_bridge_asks_for():
    call = EndedCall(
        "call_1",
        "twilio",
        "hung_up",
        12.3456,
        caller="+15550100",
        callee="+15550199",
        session_id="s-1",
        variables={"carrier_stream_id": "MZ1"},
        messages=MESSAGES,
    )
    result = result_of(call, Reserved("r", "call_1", "outbound", 0.0, "bot-1"), worker_id="w-1", ended_at="2026-01-01")
    assert result == {
        "session_id": "s-1",
        "stream_id": "MZ1",
        "call_id": "call_1",
        "bot_id": "bot-1",
        "caller_id": "+15550100",
        "callee_id": "+15550199",
        "transcript": transcript(MESSAGES),
        "digits": [],
        "analysis": None,
        "transfer": False,
        "disconnected_by": "customer",
        "outcome": "customer",
        "reason": "hung_up",
        "ended_at": "2026-01-01",
        "metrics": {"duration_seconds": 12.346, "customer_turns": 1, "bot_turns": 1},
        "provider": "twilio",
        "worker_id": "w-1",
    }


def test_an_unannounced_call_names_its_bot_by_its_address():
    call = EndedCall("call_1", "dialler", "failed", 1.0, variables={"bot_id": "b"}, carrier_call_id="c")
    result = result_of(call, None, worker_id="w", ended_at="")
    assert (result["bot_id"], result["stream_id"]) == ("b", "c")
