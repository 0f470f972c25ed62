"""Requests to a chat server: rate limits are waited for, and what failed is tried again where that cannot do a thing twice.

The one thing to know: a request is repeated after a lost answer only if it may be: GET, PUT, PATCH, DELETE, and a POST that
carries a nonce. A POST without one is repeated only where the server certainly did nothing: no connection, 429, and its own 503.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from vox.clients.chat.back_off import BackOff
from vox.clients.chat.errors import AnswerError, RateLimitedError, UnavailableError, refusal
from vox.clients.chat.rate_limits import RateLimits, category_of
from vox.errors import UsageError
from vox.runtime.clock import Clock, SystemClock
from vox.runtime.logging import get_logger

T = TypeVar("T")

API: Final = "/api/v1"
_OK_TO_REPEAT: Final = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
_TOO_MANY: Final = 429
_NOT_FOUND: Final = 404
_SERVER_FAULT: Final = 500
_TRIED_AGAIN: Final = frozenset({_SERVER_FAULT, 502, 503, 504})
_BUSY: Final = 503
_FAULTS_OF_THE_SERVER: Final = 3
"""How often a 500 is tried again: it is a fault that usually stays."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request goes on trying.

    Args:
        deadline_s: for one answer.
        patience_s: for all tries together while the server is away.
        max_rate_limit_wait_s: the longest wait for a rate limit.
        back_off: between tries.
    """

    deadline_s: float = 30.0
    patience_s: float = 120.0
    max_rate_limit_wait_s: float = 300.0
    back_off: BackOff = field(default_factory=BackOff)


class Rest:
    """The HTTP side of one account.

    Args:
        url: of the server, as http://host:8000.
        token: of a login or a bot; empty before one is there.
        is_bot: whether the token is sent as a bot's.
        patience: how long requests go on trying.
        clock: deadlines and waits.
        random: the jitter of waits.
        transport: for tests.

    Raises:
        UsageError: the address is none.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        is_bot: bool = False,
        patience: Patience | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise UsageError(
                f"{url!r} is not the address of a chat server",
                code="chat_invalid_url",
                hint="write https://chat.example.com or http://localhost:8000",
            )
        self.url = url.rstrip("/")
        self._patience = patience or Patience()
        self._clock = clock or SystemClock()
        self._random = random or Random()  # noqa: S311  jitter
        self._limits = RateLimits()
        self._http = httpx2.AsyncClient(
            base_url=self.url, timeout=self._patience.deadline_s, transport=transport, follow_redirects=False
        )
        self._scheme = "Bot" if is_bot else "Bearer"
        self.token = token

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    @property
    def gateway_url(self) -> str:
        """Where the server's gateway is, beside its API."""
        return f"ws{self.url.removeprefix('http')}/gateway"

    async def get(self, path: str, kind: type[T], query: Mapping[str, Any] | None = None) -> T:
        """Reads one thing."""
        return await self.send("GET", path, kind, query=query)

    async def post(self, path: str, kind: type[T], body: Mapping[str, Any] | None = None) -> T:
        """Does or makes something; see the module about repeating it."""
        return await self.send("POST", path, kind, body=body)

    async def put(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Sets something that answers nothing."""
        await self.send("PUT", path, object, body=body)

    async def patch(self, path: str, kind: type[T], body: Mapping[str, Any]) -> T:
        """Changes something."""
        return await self.send("PATCH", path, kind, body=body)

    async def delete(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Deletes something; one that is gone when the request is repeated counts as deleted."""
        await self.send("DELETE", path, object, body=body)

    async def send(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        is_repeatable: bool = False,
    ) -> T:
        """One request, tried until it is answered; fields of `body` that are None are left out.

        Args:
            method: HTTP method.
            path: below /api/v1, parts already quoted.
            kind: the type of the answer; `object` where there is none.
            body: the JSON body.
            query: of the address; None values are left out.
            files: parts of a form, in place of a body.
            is_repeatable: whether a POST does nothing twice, because of its nonce.

        Raises:
            RequestRefusedError: the server answered with an error that trying again does not change.
            RateLimitedError: a rate limit asks for too long a wait.
            UnavailableError: no answer for as long as the patience lasts.
            AnswerError: the answer is not as documented.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        options: dict[str, Any] = {"params": given} if given else {}
        if files is not None:
            options["files"] = files
        elif body is not None:
            options["content"] = msgspec.json.encode({key: one for key, one in body.items() if one is not None})
            options["headers"] = {"content-type": "application/json"}
        answer = await self._until_answered(method, path, options, is_repeatable=is_repeatable)
        if kind is object or not answer.content:
            return cast("T", None)
        try:
            return msgspec.convert(without_nulls(msgspec.json.decode(answer.content)), kind, strict=False)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise AnswerError(f"{method} {path}", str(error)) from None

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncGenerator[httpx2.Response]:
        """The answer to a GET, read as it arrives.

        Raises:
            RequestRefusedError: the server answered with an error that trying again does not change.
            UnavailableError: there is no answer, or it is cut short.
        """
        request = f"GET {path}"
        try:
            async with self._http.stream("GET", API + path, headers=self._credentials()) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise refusal(request, answer.status_code, _error_of(answer))
                yield answer
        except httpx2.TransportError as error:
            raise UnavailableError(request, f"{type(error).__name__}: {error}") from error

    def _credentials(self) -> dict[str, str]:
        return {"authorization": f"{self._scheme} {self.token}"} if self.token else {}

    async def _until_answered(
        self, method: str, path: str, options: dict[str, Any], *, is_repeatable: bool
    ) -> httpx2.Response:
        request, may_repeat = f"{method} {path}", is_repeatable or method in _OK_TO_REPEAT
        started_at = self._clock.now()
        give_up_at = started_at + self._patience.patience_s
        tries = 0
        while True:
            problem: str
            wait_s: float | None = None
            try:
                answer = await self._once(method, API + path, options)
            except httpx2.TransportError as error:
                problem = f"{type(error).__name__}: {error}".rstrip(": ")
                is_over = not (may_repeat or isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout))
            else:
                if answer.is_success or (tries and method == "DELETE" and answer.status_code == _NOT_FOUND):
                    return answer
                error_of = _error_of(answer)
                if answer.status_code not in _TRIED_AGAIN and answer.status_code != _TOO_MANY:
                    raise refusal(request, answer.status_code, error_of)
                problem = f"HTTP {answer.status_code} {error_of.get('code', '')}".rstrip()
                wait_s = _retry_after_s(answer, error_of)
                if answer.status_code == _TOO_MANY:
                    self._assert_worth_waiting(request, self._clock.now() - started_at + (wait_s or 0.0))
                    continue  # `_once` waits
                is_refused = answer.status_code == _BUSY and error_of.get("code") == "UNAVAILABLE"
                is_over = not (may_repeat or is_refused)
                is_over |= answer.status_code == _SERVER_FAULT and tries >= _FAULTS_OF_THE_SERVER
            tries += 1
            wait_s = max(wait_s or 0.0, self._patience.back_off.wait_s(tries, self._random.random()))
            if is_over or self._clock.now() + wait_s > give_up_at:
                raise UnavailableError(request, problem)
            _log.info("request is tried again", request=request, problem=problem, tries=tries)
            await asyncio.sleep(wait_s)

    async def _once(self, method: str, path: str, options: dict[str, Any]) -> httpx2.Response:
        category = category_of(path)
        wait_s = self._limits.reserve(category, self._clock.now())
        is_counted = False
        try:
            if wait_s > 0:
                self._assert_worth_waiting(f"{method} {path}", wait_s)
                await asyncio.sleep(wait_s)
            headers = {**options.get("headers", {}), **self._credentials()}
            answer = await self._http.request(
                method,
                path,
                params=options.get("params"),
                content=options.get("content"),
                files=options.get("files"),
                headers=headers,
            )
            is_counted, now = True, self._clock.now()
            if answer.status_code == _TOO_MANY:
                self._limits.refused(category, _retry_after_s(answer, _error_of(answer)) or 1.0, now)
            else:
                self._limits.answered(category, answer.headers, now, self._clock.wall().timestamp())
            return answer
        finally:
            if not is_counted:
                self._limits.ended(category)

    def _assert_worth_waiting(self, request: str, wait_s: float) -> None:
        if wait_s > self._patience.max_rate_limit_wait_s:
            raise RateLimitedError(request, wait_s)


def segment(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def without_nulls(value: Any) -> Any:
    """JSON without the fields that are null: null and absent mean the same on this wire."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: without_nulls(one) for name, one in fields.items() if one is not None}
    if isinstance(value, list):
        return [without_nulls(one) for one in cast("list[Any]", value)]
    return value


def _error_of(answer: httpx2.Response) -> dict[str, Any]:
    """The error object of an answer; empty where it has none, as with a proxy's page."""
    try:
        found: object = msgspec.json.decode(answer.content)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    error = cast("dict[str, object]", found).get("error") if isinstance(found, dict) else None
    return cast("dict[str, Any]", error) if isinstance(error, dict) else {}


def _retry_after_s(answer: httpx2.Response, error: Mapping[str, Any]) -> float | None:
    after: object = error.get("retry_after_ms")
    if isinstance(after, int | float) and after >= 0:
        return after / 1000
    header = answer.headers.get("retry-after", "")
    return float(header) if header.isascii() and header.isdigit() else None
