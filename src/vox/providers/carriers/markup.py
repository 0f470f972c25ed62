"""The XML that carriers are answered with: built from escaped text, so that no parameter can add an element."""

import re
from collections.abc import Mapping
from html import escape

from vox.providers.carriers.contract import BusyAnswer, WebhookAnswer

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def xml_answer(inner: str) -> WebhookAnswer:
    """The answer with this content of its `Response` element."""
    document = f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'
    return WebhookAnswer("application/xml", document.encode())


def busy_xml(busy: BusyAnswer, *, refusal: str, say: str = "Say", pause: str = "Pause") -> WebhookAnswer:
    """The answer of a busy line, in the words that these carriers share.

    Args:
        busy: what the caller gets.
        refusal: the element that gives a busy tone, as markup.
        say: the name of the element that speaks.
        pause: the name of the element that waits.
    """
    if not busy.message and not busy.again_url:
        return xml_answer(refusal)
    spoken = element(say, {}, xml_text(busy.message)) if busy.message else ""
    if not busy.again_url:
        return xml_answer(spoken + element("Hangup", {}))
    waits = element(pause, {"length": str(busy.pause_s)})
    return xml_answer(spoken + waits + element("Redirect", {"method": "POST"}, xml_text(busy.again_url)))


def element(name: str, attributes: Mapping[str, str], inner: str = "") -> str:
    """An element; `inner` is markup already."""
    written = "".join(f' {key}="{xml_text(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def parameter_elements(parameters: Mapping[str, str]) -> str:
    """A `Parameter` element for each, as Twilio and Telnyx pass them on to the stream."""
    return "".join(element("Parameter", {"name": name, "value": value}) for name, value in parameters.items())


def xml_text(text: str) -> str:
    """Text for an element or an attribute; characters that XML cannot hold are left out."""
    return escape(_NOT_XML.sub("", text), quote=True)
