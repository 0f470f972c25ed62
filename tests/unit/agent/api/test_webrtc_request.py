import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.api.pages import Refusal
from vox.agent.api.webrtc_request import (
    MAX_CANDIDATE,
    MAX_CANDIDATES,
    OfferRequest,
    parse_candidates,
    parse_offer,
)
from vox.media.webrtc.contract import RemoteCandidate

SDP = "v=0\r\nm=audio"


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def refused(raw: bytes, name: str = "offer") -> Refusal:
    with pytest.raises(Refusal) as refusal:
        parse_offer(raw, name=name)
    return refusal.value


def test_plain_sdp_is_answered_with_plain_sdp():
    request = parse_offer(body(offer=SDP), name="offer")
    assert request == OfferRequest(SDP)
    assert request.described("answer") == "answer"


def test_a_description_as_json_in_a_string_is_answered_the_same_way():
    request = parse_offer(body(offer=json.dumps({"type": "offer", "sdp": SDP})), name="offer")
    assert request == OfferRequest(SDP, is_wrapped=True)
    assert json.loads(request.described("answer")) == {"type": "answer", "sdp": "answer"}


def test_all_that_pipecat_sends():
    fields = {"sdp": SDP, "type": "offer", "pc_id": "pc_1", "restart_pc": True, "requestData": {"name": "Ann"}}
    assert parse_offer(body(**fields), name="sdp") == OfferRequest(
        SDP, pc_id="pc_1", is_restart=True, data={"name": "Ann"}
    )


def test_either_name_of_the_field_and_of_the_data_is_read():
    assert parse_offer(body(sdp=SDP), name="offer").sdp == SDP
    assert parse_offer(body(offer=SDP), name="sdp").sdp == SDP
    both = parse_offer(body(sdp=SDP, request_data={"a": 1}, requestData={"b": 2}), name="sdp")
    assert both.data == {"a": 1}


@pytest.mark.parametrize("pc_id", [None, 5, ["x"], "x" * 200])
def test_what_is_no_id_names_no_connection(pc_id: Any):
    assert parse_offer(body(sdp=SDP, pc_id=pc_id, restart_pc="yes"), name="sdp") == OfferRequest(SDP)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"offer": ' + b"[" * 5000])
def test_a_body_that_is_no_object_is_a_bad_request(raw: bytes):
    refusal = refused(raw)
    assert (refusal.status, refusal.api_code, str(refusal)) == (400, "BAD_REQUEST", "Invalid JSON")


@pytest.mark.parametrize("given", [{}, {"offer": ""}, {"offer": "  "}, {"offer": 5}, {"offer": None}])
def test_a_missing_offer_is_named(given: dict[str, Any]):
    refusal = refused(body(**given))
    assert (refusal.status, str(refusal)) == (422, "Missing or empty offer")
    assert refusal.details == [{"field": "offer", "message": "required"}]
    assert str(refused(body(**given), name="sdp")) == "Missing or empty SDP"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"offer": "{"}, "offer"),
        ({"offer": '{"sdp": 5}'}, "offer"),
        ({"offer": '{"type": "answer", "sdp": "v=0"}'}, "offer"),
        ({"offer": '{"sdp": " "}'}, "offer"),
        ({"offer": SDP, "type": "answer"}, "type"),
        ({"offer": SDP, "requestData": [1]}, "requestData"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], field: str):
    refusal = refused(body(**fields))
    assert refusal.status == 422
    assert refusal.details[0]["field"] == field


def test_candidates_with_their_sections():
    listed = [{"candidate": "candidate:1", "sdp_mid": "0", "sdp_mline_index": 0}, {"candidate": ""}]
    request = parse_candidates(body(pc_id="pc_1", candidates=listed))
    assert request.pc_id == "pc_1"
    assert request.candidates == (RemoteCandidate("candidate:1", "0", 0), RemoteCandidate(""))


def test_a_patch_of_the_original_has_nothing_to_change():
    assert parse_candidates(b"").pc_id == ""
    assert parse_candidates(b"{}").candidates == ()


@pytest.mark.parametrize(
    "candidates",
    [
        "candidate",
        [5],
        [{"candidate": 5}],
        [{"candidate": "x", "sdp_mline_index": "0"}],
        [{"candidate": "x"}] * (MAX_CANDIDATES + 1),
        [{"candidate": "x" * (MAX_CANDIDATE + 1)}],
    ],
)
def test_odd_candidates_are_refused(candidates: Any):
    with pytest.raises(Refusal) as refusal:
        parse_candidates(body(pc_id="pc_1", candidates=candidates))
    assert refusal.value.status == 422


@given(st.binary(max_size=200))
def test_garbage_is_read_or_refused(raw: bytes):
    for parse in (lambda: parse_offer(raw, name="sdp"), lambda: parse_candidates(raw)):
        with contextlib.suppress(Refusal):
            parse()
