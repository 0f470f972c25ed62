"""The rows of one call: numbered, timed, without what is blank, and redacted where that is asked for."""

from tests.fakes.clock import EPOCH, FakeClock
from vox.agent.transcripts.call_transcript import CallTranscript
from vox.agent.transcripts.rows import TranscriptRow


def test_rows_are_numbered_from_one_and_blank_ones_are_none():
    rows: list[TranscriptRow] = []
    call = CallTranscript("call_1", rows.append, FakeClock())
    call.user(" hello ")
    call.assistant("")
    call.user(" \n")
    call.assistant("good day")
    assert rows == [
        TranscriptRow("call_1", 1, "user", "hello", EPOCH),
        TranscriptRow("call_1", 2, "assistant", "good day", EPOCH),
    ]


def test_a_text_is_redacted_while_that_is_asked_for():
    rows: list[TranscriptRow] = []
    call = CallTranscript("call_1", rows.append, FakeClock())
    call.redact = lambda text: text.replace("4711", "****")
    call.user("4711")
    call.redact = None
    call.user("4711")
    assert [row.text for row in rows] == ["****", "4711"]


def test_the_end_is_told_once():
    ended: list[CallTranscript] = []
    call = CallTranscript("call_1", lambda row: None, FakeClock(), on_closed=ended.append)
    call.close()
    call.close()
    assert ended == [call]
