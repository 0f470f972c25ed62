"""What a client sends to the routes of offers: Pipecat's `{"sdp", "type", "pc_id", …}`, or the original's `{"offer"}`; pure.

The original wants the description as JSON inside a string, people write plain SDP: both are taken, and the answer has the same form.
"""

from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from vox.agent.api.pages import Refusal
from vox.agent.transports.reconnection import RESUMABLE, RESUME
from vox.media.webrtc.contract import RemoteCandidate

MAX_CANDIDATES: Final = 50
MAX_CANDIDATE: Final = 500
MAX_ID: Final = 128
INVALID_JSON: Final = "Invalid JSON"


@dataclass(frozen=True, slots=True)
class OfferRequest:
    """One offer.

    Attributes:
        sdp: the description.
        is_wrapped: whether it came as JSON inside a string.
        pc_id: the connection that it changes; empty for a new one.
        is_restart: whether the client has a new connection for the call of `pc_id`.
        data: the application's own; None where it gave none.
        resume: the token of a call that the client goes on with; empty for a new call.
        is_resumable: whether the client can come with such a token.
    """

    sdp: str
    is_wrapped: bool = False
    pc_id: str = ""
    is_restart: bool = False
    data: dict[str, Any] | None = field(default=None, repr=False)
    resume: str = field(default="", repr=False)
    is_resumable: bool = False

    def described(self, answer: str) -> str:
        """The answer in the form of the offer."""
        if not self.is_wrapped:
            return answer
        return msgspec.json.encode({"type": "answer", "sdp": answer}).decode()


@dataclass(frozen=True, slots=True)
class CandidatesRequest:
    """Addresses of a client, told after its offer."""

    pc_id: str
    candidates: tuple[RemoteCandidate, ...]


def parse_offer(raw: bytes, *, name: str, invalid_json: str = INVALID_JSON) -> OfferRequest:
    """Reads a request.

    Args:
        raw: the body.
        name: the field that errors name, `offer` or `sdp`; either is read.
        invalid_json: the message for a body that is no JSON object.

    Raises:
        Refusal: 400 or 422.
    """
    fields = _object(raw, invalid_json)
    other = "sdp" if name == "offer" else "offer"
    given = fields.get(name) or fields.get(other)
    if not isinstance(given, str) or not given.strip():
        what = "offer" if name == "offer" else "SDP"
        raise Refusal(422, "VALIDATION_ERROR", f"Missing or empty {what}", details=[_detail(name, "required")])
    if fields.get("type") not in (None, "", "offer"):
        raise Refusal(422, "VALIDATION_ERROR", "type must be offer", details=[_detail("type", "must be offer")])
    is_wrapped = given.lstrip().startswith("{")
    given_data = (fields.get(key) for key in ("request_data", "requestData"))
    data = next((value for value in given_data if value is not None), None)
    if data is not None and not isinstance(data, dict):
        raise Refusal(
            422, "VALIDATION_ERROR", "requestData must be an object", details=[_detail("requestData", "object")]
        )
    return OfferRequest(
        _unwrapped(given, name) if is_wrapped else given,
        is_wrapped,
        _identifier(fields.get("pc_id")),
        fields.get("restart_pc") is True,
        cast("dict[str, Any] | None", data),
        _identifier(fields.get(RESUME)),
        fields.get(RESUMABLE) is True,
    )


def parse_candidates(raw: bytes) -> CandidatesRequest:
    """Reads a PATCH; one without `pc_id` has no connection to change.

    Raises:
        Refusal: 400 or 422.
    """
    if not raw.strip():
        return CandidatesRequest("", ())
    fields = _object(raw, INVALID_JSON)
    given: Any = fields.get("candidates") or []
    try:
        listed = msgspec.convert(given, list[_Candidate])
    except msgspec.ValidationError as error:
        message = "candidates must be a list of objects with candidate, sdp_mid and sdp_mline_index"
        raise Refusal(422, "VALIDATION_ERROR", message, details=[_detail("candidates", str(error))]) from None
    if len(listed) > MAX_CANDIDATES or any(len(one.candidate) > MAX_CANDIDATE for one in listed):
        message = f"At most {MAX_CANDIDATES} candidates of {MAX_CANDIDATE} characters are taken at once"
        raise Refusal(422, "VALIDATION_ERROR", message, details=[_detail("candidates", "too many or too long")])
    found = tuple(RemoteCandidate(one.candidate, one.sdp_mid, one.sdp_mline_index) for one in listed)
    return CandidatesRequest(_identifier(fields.get("pc_id")), found)


class _Candidate(msgspec.Struct):
    candidate: str
    sdp_mid: str | None = None
    sdp_mline_index: int | None = None


class _Description(msgspec.Struct):
    sdp: str
    type: str = "offer"


def _object(raw: bytes, message: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refusal(400, "BAD_REQUEST", message) from None


def _unwrapped(text: str, name: str) -> str:
    try:
        described = msgspec.json.decode(text, type=_Description)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        described = _Description("")
    if described.type != "offer" or not described.sdp.strip():
        message = f"{name} is neither SDP nor a JSON object with type offer and sdp"
        raise Refusal(422, "VALIDATION_ERROR", message, details=[_detail(name, "invalid")])
    return described.sdp


def _identifier(value: object) -> str:
    """A connection's id; what is none names no connection that we know."""
    return value if isinstance(value, str) and len(value) <= MAX_ID else ""


def _detail(name: str, message: str) -> dict[str, str]:
    return {"field": name, "message": message}
