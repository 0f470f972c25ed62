"""The vendors' recognisers and what the contract suite covers of each, one row a driver."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from tests.fakes.vendors.assemblyai import AssemblyAi
from tests.fakes.vendors.aws_transcribe import AwsTranscribe
from tests.fakes.vendors.azure_recognition import AzureRecognition
from tests.fakes.vendors.deepgram import Deepgram
from tests.fakes.vendors.elevenlabs_scribe import Scribe
from tests.fakes.vendors.gradium import Gradium
from tests.fakes.vendors.openai_transcription import OpenAiTranscription
from tests.fakes.vendors.sarvam import Sarvam
from tests.fakes.vendors.socket_vendor import SocketVendor
from tests.fakes.vendors.soniox import Soniox
from tests.require import require


@dataclass(frozen=True)
class Streaming:
    """A driver that streams over a WebSocket.

    Args:
        driver: its name in the configuration.
        vendor: the server that speaks its wire.
        keys: what `api_keys` has for it.
        key_words: what the message of a refused key names.
        options: further options.
        has_interims: whether the vendor tells texts that may still change.
        word_s: the times of the second word, where the vendor knows them.
        confidence: of the text, where the vendor knows it.
        language: what the vendor says the language is, where it does.
        finds_phrases: the phrases that the vendor was given, where it takes any.
        has_retry_after: whether a vendor that asks to slow down can say for how long.
        nothing_listens: an address where there is no vendor.
        untested: capabilities that a local server cannot show.
    """

    driver: str
    vendor: Callable[[], SocketVendor]
    keys: dict[str, str]
    key_words: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    has_interims: bool = True
    word_s: tuple[float, float] | None = None
    confidence: float | None = None
    language: str | None = None
    finds_phrases: Callable[[SocketVendor], list[str]] | None = None
    has_retry_after: bool = True
    nothing_listens: str = "ws://127.0.0.1:9"
    untested: str = "accuracy, and the vendor's own latency"


def query_values(name: str) -> Callable[[SocketVendor], list[str]]:
    """The values of a query's name, of the last connection."""
    return lambda vendor: [value for given, value in vendor.connections[-1].query if given == name]


def first_message(*path: str) -> Callable[[SocketVendor], list[str]]:
    """A value in the first message of the last connection, a text of several being split at its commas."""

    def find(vendor: SocketVendor) -> list[str]:
        value: Any = vendor.connections[-1].messages[0]
        for name in path:
            value = value[name]
        return value.split(", ") if isinstance(value, str) else value

    return find


def _google() -> SocketVendor:
    require(find_spec("grpc") is not None, "grpcio", "pip install '.[google]'")
    from tests.fakes.vendors.google_recognition import GoogleRecognition

    return GoogleRecognition()


STREAMING = [
    Streaming(
        "assemblyai",
        AssemblyAi,
        {"assemblyai": "k1"},
        "ASSEMBLYAI_API_KEY",
        word_s=(0.2, 0.4),
        confidence=0.8,
        finds_phrases=lambda vendor: json.loads(vendor.connections[-1].value("keyterms_prompt")),
    ),
    Streaming(
        "aws",
        AwsTranscribe,
        {"aws_access_key_id": "k1", "aws_secret_access_key": "s1"},
        "AWS_SECRET_ACCESS_KEY",
        {"idle_s": 0},
        word_s=(0.2, 0.4),
        confidence=0.5,
        untested="accuracy and latency; custom vocabularies, which lie at AWS",
    ),
    Streaming(
        "azure",
        AzureRecognition,
        {"azure": "k1", "azure_region": "westeurope"},
        "AZURE_SPEECH_KEY",
        word_s=(0.2, 0.4),
        confidence=0.6,
        untested="accuracy and latency; phrase lists, which the documented protocol does not have",
    ),
    Streaming(
        "deepgram",
        Deepgram,
        {"deepgram": "k1"},
        "DEEPGRAM_API_KEY",
        word_s=(0.2, 0.4),
        confidence=0.9,
        finds_phrases=query_values("keyterm"),
    ),
    Streaming("elevenlabs", Scribe, {"elevenlabs": "k1"}, "ELEVENLABS_API_KEY"),
    Streaming(
        "elevenlabs",
        Scribe,
        {"elevenlabs": "k1"},
        "ELEVENLABS_API_KEY",
        {"word_times": True},
        word_s=(0.2, 0.4),
        confidence=1.0,
        language="eng",
    ),
    Streaming(
        "google",
        _google,
        {"google": "k1", "google_cloud_project": "p1"},
        "GOOGLE_API_KEY",
        {"idle_s": 0},
        word_s=(0.2, 0.4),
        confidence=0.75,
        language="en-us",
        finds_phrases=lambda vendor: vendor.connections[-1].messages[0]["phrases"],
        has_retry_after=False,
        nothing_listens="http://127.0.0.1:9",
        untested="accuracy and latency; service accounts, whose tokens are tested with the voices",
    ),
    Streaming("gradium", Gradium, {"gradium": "k1"}, "GRADIUM_API_KEY"),
    Streaming(
        "openai_realtime",
        OpenAiTranscription,
        {"openai": "k1"},
        "OPENAI_API_KEY",
        finds_phrases=first_message("session", "audio", "input", "transcription", "prompt"),
    ),
    Streaming(
        "sarvam",
        Sarvam,
        {"sarvam": "k1"},
        "SARVAM_API_KEY",
        has_interims=False,
        language="en-IN",
    ),
    Streaming(
        "soniox",
        Soniox,
        {"soniox": "k1"},
        "SONIOX_API_KEY",
        word_s=(0.2, 0.4),
        confidence=0.7,
        finds_phrases=first_message("context", "terms"),
    ),
]

STREAMING_DRIVERS = frozenset(row.driver for row in STREAMING)
"""Drivers that the suite holds to its promises by name."""
FILE_DRIVERS = frozenset({"camb"})
"""Drivers that upload only; `test_stt_uploads.py` holds them to theirs."""
