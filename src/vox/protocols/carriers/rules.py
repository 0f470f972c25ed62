"""What each carrier demands beyond the shape of its messages: one row for each rule, with its page and the day it was read.

Carriers change such rules without a new version of their protocol. When one does, read the page again, change what
`kept_by` names, and the date; each row has a test of its name in `tests/unit/protocols/carriers/test_rules.py`.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand of a carrier; `read_on` is None where others' implementations show it and the page was not at hand."""

    carrier: str
    name: str
    says: str
    kept_by: str
    page: str
    read_on: date | None


_READ: Final = date(2026, 11, 29)

RULES: Final = (
    Rule(
        "exotel",
        "message_size",
        "A message of audio holds 3,200 to 100,000 bytes and a multiple of 320; others distort or time out.",
        "exotel.MIN_AUDIO_BYTES, agent/transports/audio_gatherer.py",
        "developer.exotel.com/docs/agentstream/stream-voicebot-applet",
        _READ,
    ),
    Rule(
        "twilio",
        "signed_port",
        "The signed URL may hold the port or leave it out, whichever the address that Twilio was given does.",
        "providers/carriers/contract.py: WebhookRequest.addresses",
        "www.twilio.com/docs/usage/webhooks/webhooks-security",
        _READ,
    ),
    Rule(
        "telnyx",
        "media_order",
        "The order of media messages is not promised; chunk numbers give it.",
        "reorder_buffer.py",
        "developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket",
        _READ,
    ),
    Rule(
        "telnyx",
        "reply_length",
        "A message of audio holds 20 ms to 30 s.",
        "the pacer's frames of 20 ms",
        "developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket",
        _READ,
    ),
    Rule(
        "genesys",
        "stereo_offer",
        "An offer may hold the caller (external) and the other side (internal) interleaved, and no other offer.",
        "genesys.Server: the caller's channel is taken out",
        "developer.genesys.cloud/devapps/audiohook",
        None,
    ),
    Rule(
        "plivo",
        "extra_headers_form",
        "`extra_headers` comes as `a=1;b=2` or as `{X-PH-a: 1}`, which is no JSON.",
        "plivo._headers",
        "www.plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference",
        _READ,
    ),
    Rule(
        "plivo",
        "extra_headers_length",
        "Extra headers are letters and digits, 512 bytes together.",
        "providers/carriers/plivo.py: answer",
        "docs.plivo.com/docs/voice/xml/audiostream",
        _READ,
    ),
    Rule(
        "vonage",
        "reply_length",
        "A binary message holds 20 ms of audio at the announced rate.",
        "the pacer's frames of 20 ms",
        "developer.vonage.com/en/voice/voice-api/guides/websockets",
        None,
    ),
)
