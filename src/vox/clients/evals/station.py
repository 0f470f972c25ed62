"""What a scenario needs from outside to be run: the server's address, time, and the speech and model of its caller.

The command line builds it, because drivers are its to open; a test gives fakes.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from vox.clients.audio_files import Recording
from vox.clients.evals.model_caller import Complete
from vox.clients.evals.scenario import CallerModel, Scenario
from vox.clients.phone import Connect
from vox.errors import UsageError
from vox.http.websocket import open_socket
from vox.runtime.clock import Clock

Speak = Callable[[str, str], Awaitable[Recording]]
"""Speaks a text with the driver of that name, or with the first that works for an empty one."""
Recognise = Callable[[bytes, int], Awaitable[Sequence[tuple[float, str]]]]
"""What is said in a track (s16le mono, its rate in Hz): each utterance with the second in which it begins."""
OpenCaller = Callable[[CallerModel | None], Awaitable[Complete]]
"""The model that plays a caller."""


@dataclass(frozen=True, slots=True)
class Station:
    """Where scenarios run; `url` is the server's http(s) address."""

    url: str
    clock: Clock
    speak: Speak
    recognise: Recognise
    open_caller: OpenCaller
    headers: Sequence[tuple[str, str]] = ()
    connect: Connect = open_socket


def client_url(base: str, scenario: Scenario, **query: str) -> str:
    """The address of `/ws` for a scenario's agent and parameters."""
    named = {"agent": scenario.agent} if scenario.agent else {}
    return _address(base, "/ws", {**scenario.parameters, **named, **query})


def phone_url(base: str, scenario: Scenario) -> str:
    """The address of a carrier's stream for a scenario's agent."""
    return _address(base, f"/telephony/ws/{scenario.agent}" if scenario.agent else "/telephony/ws", {})


def _address(base: str, path: str, query: dict[str, str]) -> str:
    parts = urlsplit(base)
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme not in schemes or not parts.netloc:
        raise UsageError(
            f"{base!r} is not the address of an agent server",
            code="bad_call_url",
            hint="give --url http://HOST:PORT",
        )
    return urlunsplit((schemes[parts.scheme], parts.netloc, parts.path.rstrip("/") + path, urlencode(query), ""))
