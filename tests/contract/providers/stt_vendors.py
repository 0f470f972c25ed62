"""The vendors' recognisers and what the contract suite covers of each, one row a driver."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.vendors.deepgram import Deepgram
from tests.fakes.vendors.socket_vendor import SocketVendor


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
    untested: str = "accuracy, and the vendor's own latency"


def query_values(name: str) -> Callable[[SocketVendor], list[str]]:
    """The values of a query's name, of the last connection."""
    return lambda vendor: [value for given, value in vendor.connections[-1].query if given == name]


STREAMING = [
    Streaming(
        "deepgram",
        Deepgram,
        {"deepgram": "k1"},
        "DEEPGRAM_API_KEY",
        word_s=(0.2, 0.4),
        confidence=0.9,
        finds_phrases=query_values("keyterm"),
    ),
]
