import pytest

from vox.clients.carrier_simulator.call_events import CallStatus, Detection


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
def test_a_call_is_over_in_its_final_statuses(status):
    assert CallStatus(status).is_final


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress"])
def test_and_alive_in_the_others(status):
    assert not CallStatus(status).is_final


def test_detection_blocks_the_document_or_waits_for_the_greeting_or_both():
    assert [one for one in Detection if one.is_blocking] == [Detection.BEFORE_DOCUMENT, Detection.MESSAGE_END]
    assert [one for one in Detection if one.waits_for_message_end] == [
        Detection.MESSAGE_END,
        Detection.ALONGSIDE_MESSAGE_END,
    ]
