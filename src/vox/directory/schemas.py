"""What callers send: bodies and query strings, checked field by field.

Numbers are numbers and text is text: nothing is converted. Wrong fields are named all at once, with the codes of the
original's validator, because its clients show them.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import parse_qs

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic import ValidationError as PydanticError

from vox.directory.errors import FieldProblem, ValidationError, invalid
from vox.directory.relays.place import Place
from vox.directory.relays.registry import MOST_LISTED
from vox.directory.relays.relay import is_relay_url
from vox.directory.selection.policy import PolicyName, Request
from vox.directory.settings import MAX_COUNT

B = TypeVar("B", bound=BaseModel)

DEFAULT_LIMIT = 10
MAX_LIMIT = MOST_LISTED
MAX_LATITUDE = 90
MAX_LONGITUDE = 180
MAX_BODY_BYTES = 16_384

POLICIES: dict[str, PolicyName] = {"distance": "distance", "load_aware": "load_aware", "measured": "measured"}
MAX_RTT_MS = 60_000
MAX_WAIT_S = 60
_PLAIN_LIST = re.compile(
    rb"lat=(-?[0-9]{1,2}(?:\.[0-9]{1,15})?)&lon=(-?[0-9]{1,3}(?:\.[0-9]{1,15})?)(?:&limit=([0-9]{1,3}))?"
)
"""A query for a list as most clients write it: read by this alone, in a sixth of the time."""
_WAIT = re.compile(r"([0-9]{1,6})(ms|s)")

_CODES = {
    "missing": "invalid_type",
    "string_too_short": "too_small",
    "string_too_long": "too_big",
    "greater_than_equal": "too_small",
    "less_than_equal": "too_big",
    "too_long": "too_big",
    "json_invalid": "invalid_json",
    "value_error": "invalid_format",
}


def _relay_url(value: str) -> str:
    if not is_relay_url(value):
        raise ValueError("Invalid url: use wss://host, or ws, https or http")
    return value


def _plain(value: str) -> str:
    if any(
        character < " " or character == "\x7f" for character in value
    ):  # PostgreSQL keeps no NUL, and logs no others
        raise ValueError("Control characters are not allowed")
    return value


_Plain = AfterValidator(_plain)
_RelayUrl = Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_relay_url)]
_Features = Annotated[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,50}$")]], Field(max_length=32)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class Registration(_Body):
    """The body of a registration."""

    name: Annotated[str, _Plain] = Field(min_length=1, max_length=100)
    url: _RelayUrl
    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    public_key: Annotated[str, _Plain] = Field(min_length=1, max_length=1024)
    region: Annotated[str, _Plain] = Field(default="unknown", min_length=1, max_length=50)
    capacity: int = Field(default=1000, ge=1, le=MAX_COUNT)
    signing_key: str = Field(default="", max_length=128)
    features: _Features = Field(default_factory=list[str])
    join_token: str = Field(default="", max_length=200, repr=False)


class NewJoinToken(_Body):
    """The body of a request for a join token: how long it is good (a day; a minute to 30 days) and what it is for."""

    ttl_ms: int = Field(default=86_400_000, ge=60_000, le=30 * 86_400_000)
    note: Annotated[str, _Plain] = Field(default="", max_length=200)


class Refusal(_Body):
    """The body of a refusal: why, for the audit."""

    reason: Annotated[str, _Plain] = Field(default="", max_length=200)


class Heartbeat(_Body):
    """The body of a heartbeat; every field may be missing, and so may the body."""

    current_connections: int | None = Field(default=None, ge=0, le=MAX_COUNT)
    capacity: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    cpu: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    egress_bps: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    stress: float | None = Field(default=None, ge=0, le=1)
    draining: bool | None = None
    version: Annotated[str, _Plain] | None = Field(default=None, max_length=100)
    seq: int | None = Field(default=None, ge=0, le=MAX_COUNT)
    interval_ms: int | None = Field(default=None, ge=1000, le=3_600_000)
    features: _Features | None = None


class Draining(_Body):
    """The body of a drain: `until` is when the relay comes back by itself; `maintenance` also excuses failed probes."""

    draining: bool = True
    maintenance: bool = False
    reason: Annotated[str, _Plain] = Field(default="", max_length=200)
    until: AwareDatetime | None = None


class RttReport(_Body):
    """One round trip that a client measured."""

    relay_id: str = Field(min_length=1, max_length=64)
    rtt_ms: float = Field(ge=0, le=MAX_RTT_MS, allow_inf_nan=False)


class RttReports(_Body):
    """The body of a report of round trips."""

    rtts: list[RttReport] = Field(min_length=1, max_length=32)


class SessionReport(_Body):
    """One session that a client had, or failed to have."""

    relay_id: str = Field(min_length=1, max_length=64)
    failed: bool


class SessionReportList(_Body):
    """The body of a report of sessions."""

    sessions: list[SessionReport] = Field(min_length=1, max_length=32)


class KeyChange(_Body):
    """The body of a change of keys: the new one, and the new one's signature over `key_change_message`."""

    signing_key: str = Field(min_length=1, max_length=128)
    proof: str = Field(min_length=1, max_length=128)


def read_body(model: type[B], body: bytes) -> B:
    """A body that fits its model.

    Raises:
        ValidationError: it does not.
    """
    try:
        return model.model_validate_json(body)
    except PydanticError as error:
        raise ValidationError(
            [
                FieldProblem(
                    ".".join(str(part) for part in one["loc"]),
                    "Required" if one["type"] == "missing" else one["msg"].removeprefix("Value error, "),
                    _CODES.get(one["type"], "invalid_type"),
                )
                for one in error.errors(include_url=False, include_context=False)
            ]
        ) from None


def list_query(query: bytes) -> tuple[Place | None, int]:
    """Coordinates and limit of a list.

    Raises:
        ValidationError: half a place, no number, out of range, or given twice.
    """
    if not query:
        return None, DEFAULT_LIMIT
    return plain_list_query(query) or _any_list_query(query)


def plain_list_query(query: bytes) -> tuple[Place, int] | None:
    """Coordinates and limit of a list, where the query is one as most clients write it and nothing is wrong with it."""
    found = _PLAIN_LIST.fullmatch(query)
    if found is None:
        return None
    lat_text, lon_text, limit_text = found.groups()
    lat, lon, limit = float(lat_text), float(lon_text), DEFAULT_LIMIT if limit_text is None else int(limit_text)
    if abs(lat) > MAX_LATITUDE or abs(lon) > MAX_LONGITUDE or not 1 <= limit <= MAX_LIMIT:
        return None
    return Place(lat, lon), limit


def _any_list_query(query: bytes) -> tuple[Place | None, int]:
    fields = query_fields(query)
    limit = whole_number(fields, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT)
    return place_of(fields), limit


@dataclass(frozen=True, slots=True)
class Wait:
    """A client that has the list with that index waits for another one."""

    seconds: float
    index: int


def wait_query(query: bytes) -> Wait | None:
    """For how long and for what a client waits; None where it does not say so.

    Raises:
        ValidationError: a field is wrong.
    """
    if b"wait=" not in query:
        return None
    fields = query_fields(query)
    text = fields.get("wait")
    if text is None:
        return None
    found = _WAIT.fullmatch(text)
    if found is None:
        raise invalid("wait", "must be a time such as 30s or 500ms", "invalid_format")
    seconds = int(found[1]) / (1000 if found[2] == "ms" else 1)
    if seconds > MAX_WAIT_S:
        raise invalid("wait", f"must be at most {MAX_WAIT_S}s", "too_big")
    return Wait(seconds, whole_number(fields, "index", 0, 2**53, 0))


def query_fields(query: bytes) -> dict[str, str]:
    """The fields of a query string, each at most once."""
    if len(query) > 4096:  # noqa: PLR2004  no honest query is longer
        raise invalid("", "the query is too long", "too_big")
    try:
        fields = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise invalid("", "the query is malformed") from None
    for name, values in fields.items():
        if len(values) > 1:
            raise invalid(name, "given more than once")
    return {name: values[0] for name, values in fields.items()}


def selection_query(query: bytes, draw: int, learned_ms: Mapping[str, float]) -> tuple[Request, PolicyName, bool]:
    """What a client asks of `select`: the request, the policy, and whether the choice is to be explained.

    Raises:
        ValidationError: a field is wrong.
    """
    fields = query_fields(query)
    place, rtts = place_of(fields), _rtts(fields.get("rtt", ""))
    policy = fields.get("policy", "measured")
    if policy not in POLICIES:
        raise invalid("policy", f"must be one of {', '.join(POLICIES)}", "invalid_enum_value")
    features = frozenset(one for one in fields.get("features", "").split(",") if one)
    request = Request(
        latitude=place.latitude if place else None,
        longitude=place.longitude if place else None,
        limit=3,
        region=fields.get("region") or None,
        features=features,
        rtts_ms=rtts,
        learned_ms=learned_ms,
        key=fields.get("key", ""),
        draw=draw,
    )
    return request, POLICIES[policy], fields.get("explain") == "1"


def plan_query(query: bytes) -> tuple[Place | None, str]:
    """Where a client is that wants to measure, and the relay it uses so far.

    Raises:
        ValidationError: a field is wrong.
    """
    fields = query_fields(query)
    return place_of(fields), fields.get("home", "")


def _rtts(text: str) -> dict[str, float]:
    rtts: dict[str, float] = {}
    for one in filter(None, text.split(",")):
        relay_id, _, milliseconds = one.rpartition(":")
        try:
            value = float(milliseconds)
        except ValueError:
            value = math.nan
        if not relay_id or not 0 <= value <= MAX_RTT_MS:
            raise invalid("rtt", "must be id:milliseconds, separated by commas", "invalid_format")
        rtts[relay_id] = value
    return rtts


def place_of(fields: Mapping[str, str]) -> Place | None:
    """The coordinates among the fields; both or none."""
    lat, lon = fields.get("lat"), fields.get("lon")
    if lat is None and lon is None:
        return None
    if lat is None or lon is None:
        raise invalid("lat" if lat is None else "lon", "lat and lon belong together", "invalid_type")
    return Place(_degrees("lat", lat, MAX_LATITUDE), _degrees("lon", lon, MAX_LONGITUDE))


def whole_number(fields: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    """A whole number among the fields."""
    text = fields.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20):  # noqa: PLR2004  digits of an int64
        raise invalid(name, "must be a whole number", "invalid_type")
    value = int(text)
    if not least <= value <= most:
        raise invalid(name, f"must be between {least} and {most}", "too_small" if value < least else "too_big")
    return value


def _degrees(name: str, text: str, most: int) -> float:
    try:
        value = float(text) if len(text) <= 32 and "_" not in text else math.nan  # noqa: PLR2004  digits of a double
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise invalid(name, "must be a number", "invalid_type")
    if abs(value) > most:
        raise invalid(name, f"must be between -{most} and {most}", "too_big" if value > 0 else "too_small")
    return value
