"""What diallers share: one request to a carrier, and what its failure says about whether anything was dialled.

The one thing to know before changing it: a request that may have reached the carrier is never repeated here. Only what certainly did
not reach it, or was refused, may be tried again by the caller.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlencode

import httpx2
import msgspec

from vox.errors import DependencyError
from vox.providers.carriers.contract import DialRefused, DialUncertain, EndKind

DIAL_TIMEOUT_S: Final = 15.0
ASK_TIMEOUT_S: Final = 10.0
SERVER_ERROR: Final = 500
TOO_MANY: Final = 429
NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = frozenset({401, 403})
_NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_JSON: Final = msgspec.json.Decoder(dict[str, Any])

SIP_ENDS: Final[Mapping[int, EndKind]] = {408: "no_answer", 480: "no_answer", 486: "rejected", 603: "rejected"}
"""How a call ended by its final SIP status, where the carrier says no more; every other one is a failure."""
_WRONG_NUMBERS: Final = frozenset({404, 410, 484, 604})


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """A carrier's answer: status, JSON object (empty where it is none), and when to come back."""

    status: int
    body: Mapping[str, Any]
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A carrier's REST API.

    Args:
        http: the client to send with.
        carrier: its name, for messages.
        base: where it is, without a slash at the end.
        auth: basic credentials, where it takes those.
        headers: with every request.
    """

    http: httpx2.AsyncClient
    carrier: str
    base: str
    auth: tuple[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    async def dial(
        self,
        path: str,
        *,
        data: Mapping[str, Any] | None = None,
        json: Any = None,
        refusals: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Posts the request to dial, once.

        Args:
            path: below the base.
            data: form fields.
            json: a JSON body instead.
            refusals: the carrier's own error codes that no repetition helps against, and the word for each.
            headers: further ones.

        Raises:
            DialRefused: the carrier said no, or the request certainly did not reach it.
            DialUncertain: it may have dialled.
        """
        try:
            answer = await self._send("POST", path, DIAL_TIMEOUT_S, data=data, json=json, headers=headers)
        except _NOT_SENT as error:
            raise DialRefused(
                f"{self.carrier} could not be reached ({type(error).__name__}).",
                reason="carrier_unreachable",
                is_retryable=True,
            ) from None
        except (httpx2.HTTPError, TimeoutError) as error:
            raise DialUncertain(f"{self.carrier} did not answer ({type(error).__name__}).") from None
        if answer.status >= SERVER_ERROR:
            raise DialUncertain(f"{self.carrier} answered {answer.status}.")
        if answer.status >= 400:  # noqa: PLR2004  an HTTP status
            raise refusal(self.carrier, answer, refusals or {})
        return answer.body

    async def ask(self, path: str, *, query: Mapping[str, str] | None = None, json: Any = None) -> RestAnswer | None:
        """Asks the carrier about a call; None where it answers 404. With `json` by POST.

        Raises:
            DependencyError: carrier_unreachable.
        """
        try:
            answer = await self._send("GET" if json is None else "POST", path, ASK_TIMEOUT_S, query=query, json=json)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise unreachable(self.carrier, type(error).__name__) from None
        if answer.status == NOT_FOUND:
            return None
        if answer.status >= 400:  # noqa: PLR2004  an HTTP status
            raise unreachable(self.carrier, f"status {answer.status}")
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        timeout_s: float,
        *,
        data: Mapping[str, Any] | None = None,
        json: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RestAnswer:
        async with asyncio.timeout(timeout_s):
            response = await self.http.request(
                method,
                f"{self.base}{path}",
                data=data,
                json=json,
                params=query,
                headers={**self.headers, **(headers or {})},
                auth=httpx2.BasicAuth(*self.auth) if self.auth is not None else None,
                timeout=timeout_s,
            )
        try:
            body = _JSON.decode(response.content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            body = {}
        retry_after = response.headers.get("retry-after", "")
        return RestAnswer(response.status_code, body, float(retry_after) if retry_after.isdecimal() else None)


def refusal(carrier: str, answer: RestAnswer, refusals: Mapping[str, str]) -> DialRefused:
    """What a carrier's answer of 4xx means."""
    code = error_code(answer.body)
    if answer.status == TOO_MANY:
        return DialRefused(
            f"{carrier} takes no more calls at present.",
            reason="carrier_rate_limit",
            is_retryable=True,
            is_rate_limit=True,
            retry_after_s=answer.retry_after_s or 1.0,
        )
    if answer.status in _UNAUTHORIZED and code not in refusals:
        return DialRefused(
            f"{carrier} refuses the credentials or the account ({answer.status}).",
            reason="carrier_unauthorized",
            is_retryable=False,
        )
    reason = refusals.get(code, "carrier_refused")
    detail = f"code {code}" if code else f"status {answer.status}"
    return DialRefused(f"{carrier} refuses the call: {reason} ({detail}).", reason=reason, is_retryable=False)


def error_code(body: Mapping[str, Any]) -> str:
    """The carrier's own code in an error body: `code`, or that of the first of `errors`."""
    errors = json_objects(body.get("errors"))
    named = body.get("code", errors[0].get("code") if errors else None)
    return str(named) if isinstance(named, int | str) else ""


def json_object(value: Any) -> Mapping[str, Any]:
    """A value of a JSON body as an object; empty where it is none."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def json_objects(value: Any) -> list[Mapping[str, Any]]:
    """A value of a JSON body as a list of objects; anything else in it is left out."""
    return [json_object(one) for one in cast("list[Any]", value) if one] if isinstance(value, list) else []


def unreachable(carrier: str, why: str) -> DependencyError:
    """The error for a carrier that could not be asked."""
    return DependencyError(f"{carrier} could not be asked: {why}.", code="carrier_unreachable", retryable=True)


def end_by_sip(status: str, otherwise: EndKind = "failed") -> tuple[EndKind, str, bool]:
    """How a call ended by its SIP status: the kind, a reason, and whether another attempt may reach the number."""
    if not status.isdecimal() or len(status) != 3 or status[0] == "2":  # noqa: PLR2004  digits of a status
        return otherwise, "", True
    code = int(status)
    end: EndKind = SIP_ENDS[code] if code in SIP_ENDS else otherwise  # noqa: SIM401  get() would lose the type
    return end, f"sip_{code}", code not in _WRONG_NUMBERS


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """A stream's URL with its parameters, for carriers that pass no others on."""
    if not parameters:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


def check_configured(carrier: str, variables: Mapping[str, str]) -> None:
    """Refuses to dial with a carrier whose configuration is incomplete.

    Raises:
        DialRefused: naming what is missing.
    """
    missing = [name for name, value in variables.items() if not value]
    if missing:
        raise DialRefused(
            f"{carrier} is not configured: set {', '.join(missing)}.",
            reason="carrier_not_configured",
            is_retryable=False,
        )
