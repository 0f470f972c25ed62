"""Each utterance is one line at level info, with call, role and text, and without secrets."""

import io
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vox.agent.config.settings import AgentSettings
from vox.agent.transports.transcript_log import TranscriptLog, transcript_log
from vox.protocols.agent_events import ResponseText, SentenceProgress, UserTranscript
from vox.runtime.logging import configure


@pytest.fixture
def lines():
    stream = io.StringIO()
    configure("info", json=True, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    configure()


def test_what_was_said_is_logged_by_role_and_once(lines):
    log = TranscriptLog("call_1", str)
    for event in (
        UserTranscript("when do", is_final=False, timestamp=""),
        UserTranscript("when do you open", is_final=True, timestamp=""),
        UserTranscript("", is_final=True, timestamp=""),
        ResponseText("We open"),
        SentenceProgress("1.1", "We open at nine.", "new"),
        SentenceProgress("1.1", "We open at nine.", "in-progress", spoken="We open"),
        SentenceProgress("1.1", "We open at nine.", "completed", spoken="We open at", remaining="nine."),
        SentenceProgress("1.2", "Anything else?", "completed", spoken="", remaining="Anything else?"),
    ):
        log.see(event)
    assert [(line["msg"], line["level"], line["call_id"], line["role"], line["text"]) for line in lines()] == [
        ("utterance", "info", "call_1", "user", "when do you open"),
        ("utterance", "info", "call_1", "assistant", "We open at"),
    ]


def test_a_secret_that_was_said_is_hidden(lines):
    TranscriptLog("call_1", str).see(UserTranscript("password: hunter2", is_final=True, timestamp=""))
    assert "hunter2" not in json.dumps(lines())


def test_numbers_are_left_out_as_the_call_says_and_nothing_is_logged_unasked(lines):
    recording = SimpleNamespace(redacted=lambda text: text.replace("4711", "[redacted]"))
    session = cast("Any", SimpleNamespace(info=SimpleNamespace(call_id="call_1"), recording=recording))
    assert transcript_log(session, AgentSettings()) is None
    log = transcript_log(session, AgentSettings(log_transcripts=True))
    assert log is not None
    log.see(UserTranscript("it is 4711", is_final=True, timestamp=""))
    assert [(line["call_id"], line["text"]) for line in lines()] == [("call_1", "it is [redacted]")]
