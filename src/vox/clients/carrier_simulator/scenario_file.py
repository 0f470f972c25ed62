"""Scenario files: YAML or JSON that says which number behaves how; what is wrong in one is named with its line."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from vox.clients.carrier_simulator.behaviour import (
    AfterStream,
    AnsweredBy,
    ApiFault,
    Beep,
    Behaviour,
    CallbackFaults,
    CalleeStep,
    EndCall,
    Listen,
    Outcome,
    PlayFile,
    PressKeys,
    SayText,
    Silence,
    StreamFaults,
)
from vox.clients.carrier_simulator.carriers.exotel import Flow
from vox.clients.carrier_simulator.scenario import Rule, Scenario
from vox.clients.located_yaml import Path as Place
from vox.clients.located_yaml import read_located
from vox.errors import UsageError

MAX_BYTES: Final = 1 << 20
CARRIERS: Final = ("twilio", "telnyx", "plivo", "exotel")
_KEYS_OF_PHONES: Final = frozenset("0123456789*#ABCD")

_E = TypeVar("_E", bound=StrEnum)


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario file.

    Raises:
        UsageError: `bad_scenario`; the message names the file, the line and the remedy.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", code="bad_scenario") from error
    return parse_scenario(content, str(path), folder=path.parent)


def parse_scenario(content: bytes, name: str, *, folder: Path | None = None) -> Scenario:
    """Reads a scenario's text.

    Args:
        content: YAML or JSON.
        name: what errors call it.
        folder: where the WAV files that it plays lie; None where it may play none.

    Raises:
        UsageError: `bad_scenario`.
    """
    return _Reader(content, name, folder).scenario()


def parse_rule(content: bytes, name: str) -> Rule:
    """Reads one rule's text.

    Raises:
        UsageError: `bad_scenario`.
    """
    reader = _Reader(content, name, None)
    return reader.rule(reader.data, ())


class _Reader:
    """One file: its values, and what errors call it."""

    def __init__(self, content: bytes, name: str, folder: Path | None) -> None:
        self._name = name
        self._folder = folder
        if len(content) > MAX_BYTES:
            raise UsageError(f"{name} is longer than {MAX_BYTES} bytes", code="bad_scenario")
        try:
            text = content.decode("utf-8").replace("\t", " ")  # JSON may be indented with tabs, YAML may not
        except UnicodeDecodeError as error:
            raise UsageError(f"{name} is not UTF-8 text", code="bad_scenario") from error
        self._located = read_located(text, name)
        self.data: Any = self._located.value

    def scenario(self) -> Scenario:
        """The whole file."""
        found = self._mapping(
            self.data,
            (),
            ("default", "rules", "calls_per_second", "calls_per_minute", "telnyx_webhook_url", "exotel_flows"),
        )
        rules = self._list(found.get("rules", []), ("rules",))
        flows = self._open_mapping(found.get("exotel_flows", {}), ("exotel_flows",))
        return Scenario(
            rules=[self.rule(one, ("rules", index)) for index, one in enumerate(rules)],
            default=self._behaviour(found.get("default", {}), ("default",)),
            calls_per_second=self._by_carrier(found, "calls_per_second", self._positive),
            calls_per_minute=self._by_carrier(found, "calls_per_minute", self._count),
            telnyx_webhook_url=self._text(found.get("telnyx_webhook_url", ""), ("telnyx_webhook_url",)),
            exotel_flows={app: self._flow(one, ("exotel_flows", app)) for app, one in flows.items()},
        )

    def rule(self, value: Any, path: Place) -> Rule:
        """One rule: `to` and a behaviour."""
        fields = dict(self._mapping(value, path, ("to", *_BEHAVIOUR)))
        if "to" not in fields:
            self._fail(path, "a rule needs `to`, the number or pattern it is for")
        return Rule(self._text(fields.pop("to"), (*path, "to")), self._behaviour(fields, path))

    def _behaviour(self, value: Any, path: Place) -> Behaviour:
        fields = self._mapping(value, path, _BEHAVIOUR)
        read: dict[str, Any] = {}
        for name, one in fields.items():
            here = (*path, name)
            match name:
                case "outcome" | "transfer":
                    read[name] = self._choice(one, here, Outcome)
                case "answered_by":
                    read[name] = self._choice(one, here, AnsweredBy)
                case "api":
                    read[name] = self._choice(one, here, ApiFault)
                case "callee":
                    read[name] = [self._step(step, (*here, at)) for at, step in enumerate(self._list(one, here))]
                case "callbacks":
                    read[name] = self._callbacks(one, here)
                case "stream":
                    read[name] = self._stream(one, here)
                case _:
                    read[f"{name.removesuffix('_secs')}_s"] = self._seconds(one, here)
        return Behaviour(**read)

    def _callbacks(self, value: Any, path: Place) -> CallbackFaults:
        fields = self._mapping(value, path, ("delay_secs", "copies", "reversed", "retries", "retry_secs"))
        return CallbackFaults(
            delay_s=self._seconds(fields.get("delay_secs", 0), (*path, "delay_secs")),
            copies=self._count(fields.get("copies", 1), (*path, "copies"), most=10),
            is_reversed=self._flag(fields.get("reversed", False), (*path, "reversed")),
            retries=self._count(fields.get("retries", 0), (*path, "retries"), most=10),
            retry_s=self._seconds(fields.get("retry_secs", 1), (*path, "retry_secs")),
        )

    def _stream(self, value: Any, path: Place) -> StreamFaults:
        fields = self._mapping(value, path, ("cut_after_secs", "after_refused", "after_lost", "keeps_buffer"))
        cut = fields.get("cut_after_secs")
        return StreamFaults(
            cut_after_s=None if cut is None else self._seconds(cut, (*path, "cut_after_secs")),
            after_refused=self._choice(fields.get("after_refused", "continue"), (*path, "after_refused"), AfterStream),
            after_lost=self._choice(fields.get("after_lost", "continue"), (*path, "after_lost"), AfterStream),
            keeps_buffer=self._flag(fields.get("keeps_buffer", False), (*path, "keeps_buffer")),
        )

    def _step(self, value: Any, path: Place) -> CalleeStep:
        if value == "hang_up":
            return EndCall()
        if value == "beep":
            return Beep()
        fields = self._mapping(value, path, ("say", "play", "beep", "wait", "listen", "press"))
        if len(fields) != 1:
            self._fail(path, "a step is one of say, play, beep, wait, listen, press, hang_up")
        ((kind, given),) = fields.items()
        here = (*path, kind)
        match kind:
            case "say":
                return SayText(self._text(given, here))
            case "play":
                if self._folder is None:
                    self._fail(here, "files can be played from a scenario file only")
                return PlayFile(self._folder / self._text(given, here))
            case "beep":
                return Beep(self._seconds(given, here))
            case "wait":
                return Silence(self._seconds(given, here))
            case "press":
                return PressKeys(self._digits(given, here))
            case _:
                return self._listen(given, here)

    def _listen(self, value: Any, path: Place) -> Listen:
        if not isinstance(value, dict):
            return Listen(self._seconds(value, path))
        fields = self._mapping(value, path, ("silence_secs", "timeout_secs"))
        return Listen(
            self._seconds(fields.get("silence_secs", 1.0), (*path, "silence_secs")),
            self._seconds(fields.get("timeout_secs", 60.0), (*path, "timeout_secs")),
        )

    def _flow(self, value: Any, path: Place) -> Flow:
        fields = self._mapping(value, path, ("url", "loops"))
        url = self._text(fields.get("url", ""), (*path, "url"))
        if not url.startswith(("ws://", "wss://", "http://", "https://")):
            self._fail((*path, "url"), "an Exotel flow needs `url`, a ws:// or http:// address")
        return Flow(url, loops=self._flag(fields.get("loops", False), (*path, "loops")))

    def _by_carrier(self, found: Mapping[str, Any], name: str, read: Callable[[Any, Place], Any]) -> dict[str, Any]:
        fields = self._mapping(found.get(name, {}), (name,), CARRIERS)
        return {carrier: read(value, (name, carrier)) for carrier, value in fields.items()}

    # Values.

    def _mapping(self, value: Any, path: Place, allowed: Sequence[str]) -> Mapping[str, Any]:
        fields = self._open_mapping(value, path)
        for name in fields:
            if name not in allowed:
                near = difflib.get_close_matches(name, allowed, 1)
                hint = f"did you mean {near[0]}?" if near else f"it may be {', '.join(allowed)}"
                self._fail((*path, name), f"unknown key {name!r}; {hint}")
        return fields

    def _open_mapping(self, value: Any, path: Place) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._fail(path, "expected keys and values")
        return {str(key): one for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  any YAML

    def _list(self, value: Any, path: Place) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._fail(path, "expected a list")
        return value  # pyright: ignore[reportUnknownVariableType]  any YAML

    def _text(self, value: Any, path: Place) -> str:
        if not isinstance(value, str):
            self._fail(path, f"expected text, not {value!r}; put it in quotes")
        return value

    def _flag(self, value: Any, path: Place) -> bool:
        if not isinstance(value, bool):
            self._fail(path, f"expected true or false, not {value!r}")
        return value

    def _seconds(self, value: Any, path: Place) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:  # noqa: PLR2004  a day
            self._fail(path, f"expected seconds from 0 to 86400, not {value!r}")
        return float(value)

    def _positive(self, value: Any, path: Place) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            self._fail(path, f"expected a number above 0, not {value!r}")
        return float(value)

    def _count(self, value: Any, path: Place, most: int = 1_000_000) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            self._fail(path, f"expected a whole number from 0 to {most}, not {value!r}")
        return value

    def _digits(self, value: Any, path: Place) -> str:
        text = str(value).upper() if isinstance(value, str | int) else ""
        if not text or set(text) - _KEYS_OF_PHONES:
            self._fail(path, f"{value!r} contains keys that telephones do not have; use 0-9, *, #, A-D in quotes")
        return text

    def _choice(self, value: Any, path: Place, kind: type[_E]) -> _E:
        known = [str(one) for one in kind]
        if value not in known:
            near = difflib.get_close_matches(str(value), known, 1)
            self._fail(
                path, f"{value!r} is none of {', '.join(known)}" + (f"; did you mean {near[0]}?" if near else "")
            )
        return kind(value)

    def _fail(self, path: Place, message: str) -> NoReturn:
        raise UsageError(f"{self._name}, line {self._located.line(path)}: {message}", code="bad_scenario")


_BEHAVIOUR: Final = (
    "outcome",
    "ring_secs",
    "answered_by",
    "detection_secs",
    "greeting_secs",
    "callee",
    "hangs_up_after_secs",
    "transfer",
    "transfer_secs",
    "api",
    "api_delay_secs",
    "callbacks",
    "stream",
)
