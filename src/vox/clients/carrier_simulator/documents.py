"""The call-control documents that carriers fetch: TwiML, TeXML and Plivo's XML, read into one list of verbs; pure.

The three differ in the names of elements and attributes only, so one reader serves them all; unknown elements are refused, as the
carriers do, because a document that is silently cut short is the hardest fault to find.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree as ET

from vox.errors import PeerError

MAX_DOCUMENT_BYTES: Final = 64 * 1024
MAX_VERBS: Final = 200
_DOCTYPE: Final = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_STREAM_PARAMETERS: Final = re.compile(r"[;,]")


@dataclass(frozen=True, slots=True)
class Stream:
    """A media stream; one that `is_blocking` holds the document until it ends."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    status_callback: str = ""
    status_method: str = "POST"
    name: str = ""
    is_blocking: bool = True
    codec: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """The carrier speaks a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """The carrier plays a recording."""

    url: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The carrier waits."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Gather:
    """The carrier collects keys and posts them to `action`; without keys the document goes on."""

    action: str = ""
    method: str = "POST"
    digits: int = 0
    timeout_s: float = 5.0
    finish_key: str = "#"
    prompts: Sequence["Verb"] = ()


@dataclass(frozen=True, slots=True)
class Dial:
    """The carrier connects the call to another number."""

    number: str
    action: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Redirect:
    """The document goes on at another address."""

    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Repeat:
    """The document runs once more from its beginning, fetched again where it came from an address."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """The call ends."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A call that has not been answered is refused."""

    is_busy: bool = False


Verb = Stream | Say | Play | Pause | Gather | Dial | Redirect | Repeat | Hangup | Reject


def read_document(text: str) -> list[Verb]:
    """The verbs of a document.

    Raises:
        PeerError: `bad_call_document`, where a carrier would reject it too.
    """
    if len(text.encode()) > MAX_DOCUMENT_BYTES:
        raise _bad(f"it is longer than {MAX_DOCUMENT_BYTES} bytes")
    if _DOCTYPE.search(text):  # entities could grow without end
        raise _bad("it declares a document type")
    try:
        root = ET.fromstring(text.strip())  # noqa: S314  no document type, so no entities
    except ET.ParseError as error:
        raise _bad(f"it is no XML ({error})") from error
    if root.tag != "Response":
        raise _bad(f"its root element is <{root.tag}>, not <Response>")
    verbs = [verb for element in root for verb in _verbs(element)]
    if len(verbs) > MAX_VERBS:
        raise _bad(f"it has more than {MAX_VERBS} verbs")
    return verbs


def _verbs(element: ET.Element) -> Iterator[Verb]:
    text = "".join(element.itertext()).strip()
    match element.tag:
        case "Connect" | "Start":
            yield from (_stream(one, is_blocking=element.tag == "Connect") for one in element if one.tag == "Stream")
        case "Stream":  # Plivo's stands alone
            yield _stream(element, is_blocking=_flag(element, "keepCallAlive"))
        case "Stop" | "Record":
            return
        case "Say" | "Speak":
            yield Say(text)
        case "Play":
            yield Play(text)
        case "Pause" | "Wait":
            yield Pause(_number(element, "length", 1.0))
        case "Gather" | "GetDigits" | "GetInput":
            yield _gather(element)
        case "Dial":
            yield Dial(text, element.get("action", ""), element.get("method", "POST"))
        case "Redirect":
            if not text:
                raise _bad("its <Redirect> has no address")
            yield Redirect(text, element.get("method", "POST"))
        case "Hangup":
            yield Hangup()
        case "Reject":
            yield Reject(is_busy=element.get("reason") == "busy")
        case unknown:
            raise _bad(f"it has an unknown element <{unknown}>")


def _stream(element: ET.Element, *, is_blocking: bool) -> Stream:
    url = (element.get("url") or element.text or "").strip()
    if not url.startswith(("ws://", "wss://")):
        raise _bad(f"its <Stream> has no ws:// or wss:// address but {url[:80]!r}")
    parameters = {one.get("name", ""): one.get("value", "") for one in element.iter("Parameter")}
    for pair in filter(None, _STREAM_PARAMETERS.split(element.get("extraHeaders", ""))):
        name, _, value = pair.partition("=")
        parameters[name.strip()] = value.strip()
    return Stream(
        url,
        parameters,
        status_callback=element.get("statusCallback") or element.get("statusCallbackUrl") or "",
        status_method=element.get("statusCallbackMethod", "POST"),
        name=element.get("name", ""),
        is_blocking=is_blocking,
        codec=element.get("bidirectionalCodec") or element.get("contentType") or "",
    )


def _gather(element: ET.Element) -> Gather:
    return Gather(
        action=element.get("action", ""),
        method=element.get("method", "POST"),
        digits=int(_number(element, "numDigits", 0)),
        timeout_s=_number(element, "timeout", _number(element, "executionTimeout", 5.0)),
        finish_key=element.get("finishOnKey", "#"),
        prompts=tuple(verb for one in element for verb in _verbs(one)),
    )


def _flag(element: ET.Element, name: str) -> bool:
    return element.get(name, "").lower() == "true"


def _number(element: ET.Element, name: str, default: float) -> float:
    text = element.get(name)
    if text is None:
        return default
    try:
        return max(0.0, float(text))
    except ValueError:
        raise _bad(f"the {name} of its <{element.tag}> is {text[:40]!r}, not a number") from None


def _bad(why: str) -> PeerError:
    return PeerError(f"The call document cannot be used: {why}.", code="bad_call_document")
