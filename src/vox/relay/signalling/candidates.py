"""ICE candidates as clients trickle them: a small JSON object. Pure."""

import msgspec

MAX_CANDIDATE_BYTES = 2_048


class _Candidate(msgspec.Struct):
    candidate: str = ""


_decoder = msgspec.json.Decoder(_Candidate)


def candidate_of(text: str) -> str | None:
    """The candidate, empty for the end of them; None for what is malformed, which connectivity does not depend on."""
    if len(text) > MAX_CANDIDATE_BYTES:
        return None
    try:
        return _decoder.decode(text).candidate
    except msgspec.DecodeError:
        return None
