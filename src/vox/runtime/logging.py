"""Structured logs on stderr: text for people, one JSON object a line for machines.

Everything goes through one formatter, also what uvicorn, picows and other libraries write with the standard module, and
there the one filter sits that hides what looks like a secret. An event's message is static; what varies are fields.
A field under `pii.` (personal data, transcripts) is written at level debug only.
"""

import json as stdlib_json
import logging
import re
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from vox.errors import UsageError

LEVELS = ("debug", "info", "warn", "error")
HIDDEN = "***"

_NUMBERS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_CHATTY = ("uvicorn", "picows", "asyncio", "httpx2", "httpcore2", "hypercorn", "multipart", "aioice", "aiortc")
_VERBATIM = ("openai", "websockets", "botocore", "boto3", "urllib3", "mcp")
"""Libraries whose debug lines hold whole requests and messages: what callers say, before anything of it is redacted."""
_SECRET_KEY = re.compile(r"api[-_]?key|token|authorization|passw(or)?d|secret|credential|cookie", re.IGNORECASE)
_SECRET_IN_TEXT = re.compile(
    r"((?:proxy-)?authorization:\s*|(?:set-)?cookie:\s*).+"  # a header: all of its value
    r"|((?:[a-z_-]*api[-_]?key|[a-z_-]*token|passw(?:or)?d|[a-z_-]*secret|x-amz-signature)(?:=|:\s+))[^&\s\"']+"
    r"|(\bbearer\s+)[\w.~+/=-]+"
    r"|(://[^\s/:@]*:)[^\s/@]+(?=@)",  # the password of an address
    re.IGNORECASE,
)
_MAX_DEPTH = 6
_log = logging.getLogger(__name__)


def configure(level: str = "info", json: bool = False, stream: TextIO | None = None) -> None:
    """Sets up logging for the process; may be called again.

    Args:
        level: debug, info, warn or error (any case).
        json: one JSON object a line with `ts`, `level`, `msg` and the fields, else readable text.
        stream: standard error unless given.
    """
    number = _NUMBERS.get(level.strip().lower().replace("warning", "warn"))
    if number is None:
        raise UsageError(
            f"log level {level!r} does not exist", code="invalid_setting", hint=f"use one of {', '.join(LEVELS)}"
        )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        _add_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
        _DropPersonal(keep=number == logging.DEBUG),
        hide_secrets,
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _render_json if json else _render_text,
            ],
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    if json and stream is None:
        _write_crashes_as_lines()
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING) if number > logging.DEBUG else logging.DEBUG)
    for name in _VERBATIM:
        logging.getLogger(name).setLevel(max(number, logging.WARNING) if number > logging.DEBUG else logging.INFO)


def is_debug() -> bool:
    """Whether lines of level debug are written; what only they need is left out otherwise."""
    return logging.getLogger().isEnabledFor(logging.DEBUG)


def is_json() -> bool:
    """Whether `configure` was last told to write JSON, so that nothing else may stand on standard error."""
    handlers = logging.getLogger().handlers
    formatter = handlers[0].formatter if handlers else None
    return isinstance(formatter, structlog.stdlib.ProcessorFormatter) and formatter.processors[-1] is _render_json


def take_over_uvicorn() -> None:
    """Has the lines of a uvicorn that was started by hand pass the formatter, which hides the tokens in their queries."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of a module, `get_logger(__name__)`; it follows a later `configure`."""
    return cast("FilteringBoundLogger", structlog.stdlib.get_logger(name))


@contextmanager
def bound_fields(**fields: Any) -> Generator[None]:
    """Adds fields such as `call_id` to every line written inside the block, also by tasks started there."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def looks_secret(key: str) -> bool:
    """Whether a value under this key should never be shown: api_key, token, authorization, password, secret and the like."""
    return _SECRET_KEY.search(key) is not None


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Masks what stands under a key that looks secret, and secrets inside URLs and headers in text."""
    for key, value in event.items():
        event[key] = _masked(key, value, 0)
    return event


def _masked(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value  # a count of tokens is no secret
    if looks_secret(key):
        return HIDDEN
    if isinstance(value, str):
        return (
            _SECRET_IN_TEXT.sub(lambda found: f"{found[found.lastindex or 0]}{HIDDEN}", value)
            if _may_hide(value)
            else value
        )
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {str(name): _masked(str(name), inner, depth + 1) for name, inner in items}
    if depth < _MAX_DEPTH and isinstance(value, (list, tuple)):
        return [_masked("", inner, depth + 1) for inner in cast("Sequence[Any]", value)]
    return value  # pyright: ignore[reportUnknownVariableType]  any object may be logged


def _may_hide(text: str) -> bool:
    return "=" in text or ": " in text or "://" in text or "earer" in text or "EARER" in text


class _DropPersonal:
    def __init__(self, *, keep: bool) -> None:
        self._keep = keep

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if not self._keep:
            for key in [key for key in event if key.startswith("pii.")]:
                del event[key]
        return event


def _add_level(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    name = record.levelname.lower() if isinstance(record, logging.LogRecord) else method
    event["level"] = {"warning": "warn", "exception": "error", "critical": "error", "notset": "debug"}.get(name, name)
    return event


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    head = {"ts": event.pop("ts", None), "level": event.pop("level", None), "msg": str(event.pop("event", ""))}
    fields = {**event, **head}
    try:
        return msgspec.json.encode(fields, enc_hook=repr).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _render_odd_json(fields)


def _render_odd_json(fields: Mapping[str, Any]) -> str:
    """What msgspec does not write: half surrogate pairs, numbers of more than 64 bits, keys that are no text, circles."""
    try:
        return stdlib_json.dumps(fields, default=repr, skipkeys=True)
    except (TypeError, ValueError, RecursionError):
        return stdlib_json.dumps(
            {key: value if isinstance(value, str) else repr(value) for key, value in fields.items()}
        )


def _write_crashes_as_lines() -> None:
    """Has warnings, and what Python prints when a program or a thread dies of an error, written as log lines."""

    def of_program(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        _log.critical("the program ends by an error", exc_info=(kind, error, trace))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            _log.error("a thread ended by an error", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    sys.excepthook = of_program
    threading.excepthook = of_thread
    logging.captureWarnings(capture=True)


def _render_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    ts, level, message = event.pop("ts", ""), str(event.pop("level", "")), event.pop("event", "")
    name, trace = event.pop("logger", ""), event.pop("exception", None)
    fields = "".join(f" {key}={_shown(value)}" for key, value in event.items())
    line = f"{ts} {level.upper():<5} {message}{fields} [{name}]"
    return f"{line}\n{trace}" if trace else line


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text) if text == "" or any(mark in text for mark in ' "=\n\r\t') else text
