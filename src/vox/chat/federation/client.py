"""Signed requests to other servers, through the guard for outgoing URLs: the only way out.

What comes back is a stranger's: it is cut off at a size and at a deadline, and what is not the expected JSON is an error.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from vox.chat.errors import Refusal, refuse
from vox.chat.federation import queries, signing
from vox.chat.federation.delivery import Answer
from vox.chat.federation.discovery import Discovery, PeerRecord
from vox.chat.federation.keyring import Keyring
from vox.chat.federation.policy import Policy, permits
from vox.chat.federation.wire import MAX_ANSWER_BYTES, PATH
from vox.errors import DependencyError, UsageError
from vox.runtime import tracing
from vox.runtime.clock import Clock
from vox.security.http_signatures import new_nonce
from vox.security.outbound import FetchResult
from vox.stores.sql import SqlDatabase

DEADLINE_S: Final = 10.0
T = TypeVar("T")

_tracer = tracing.tracer(__name__)


class Fetcher(Protocol):
    """Fetches URLs that strangers gave: `vox.security.outbound.OutboundGuard`."""

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline_s: float,
        max_bytes: int,
    ) -> FetchResult:
        """See `OutboundGuard.fetch`."""
        ...


class PeerFailure(Exception):  # noqa: N818  the caller decides whether it is an error
    """A request to another server that did not succeed.

    Args:
        answer: what it means for a delivery.
        why: in words, for the log and for administrators.
        code: what went wrong on this side, such as answer_too_large.
    """

    def __init__(self, answer: Answer, why: str, code: str = "") -> None:
        super().__init__(why)
        self.answer = answer
        self.code = code


class _Error(msgspec.Struct):
    code: str = ""
    retry_after_ms: float | None = None


class _ErrorBody(msgspec.Struct):
    error: _Error


class PeerClient:
    """Talks to other servers.

    Args:
        domain: of this server.
        keyring: signs.
        discovery: finds them.
        guard: fetches.
        database: knows the lists.
        clock: dates the signatures.
    """

    def __init__(
        self,
        domain: str,
        keyring: Keyring,
        discovery: Discovery,
        guard: Fetcher,
        database: SqlDatabase,
        clock: Clock,
    ) -> None:
        self._domain = domain
        self._keyring = keyring
        self._discovery = discovery
        self._guard = guard
        self._database = database
        self._clock = clock

    async def send(
        self,
        domain: str,
        method: str,
        path: str,
        body: bytes = signing.EMPTY_BODY,
        *,
        policy: Policy,
        deadline_s: float = DEADLINE_S,
        max_bytes: int = MAX_ANSWER_BYTES,
        is_notice: bool = False,
    ) -> FetchResult:
        """Sends a request and returns the answer of success.

        Args:
            domain: of the server.
            method: HTTP method.
            path: behind the common prefix, percent-encoded.
            body: JSON; `{}` for a GET.
            policy: of this server.
            deadline_s: for everything together.
            max_bytes: of the answer.
            is_notice: whether it goes even to a server that is blocked here: it tells of the block.

        Raises:
            PeerFailure: refused here or there, or no usable answer.
        """
        try:
            record = await self._peer(domain, policy, is_notice=is_notice)
            identity = await self._keyring.identity()
            whole = PATH + path
            headers = signing.sign(
                identity, method, whole, body, destination=domain, now_s=self._clock.unix_s(), nonce=new_nonce()
            )
            headers["content-type"] = "application/json"
            host = record.service.host if record.service.port == 443 else f"{record.service.host}:{record.service.port}"  # noqa: PLR2004  https
            address = f"https://{host}{whole}"
            with _tracer.span("peer", domain=domain, method=method) as span:
                found = await self._guard.fetch(
                    method, address, headers=headers, body=body, deadline_s=deadline_s, max_bytes=max_bytes
                )
                span.set(status=found.status)
        except UsageError as error:
            raise PeerFailure(Answer(0, error.code.upper()), str(error.args[0]), error.code) from None
        except DependencyError as error:
            # An answer without end came from something that is there: the other conversations go on.
            status = 500 if error.code in {"answer_too_large", "answer_malformed"} else 0
            raise PeerFailure(Answer(status), str(error.args[0]), error.code) from None
        if 200 <= found.status < 300:  # noqa: PLR2004  HTTP's own class
            return found
        answer = _answer(found)
        raise PeerFailure(answer, f"{domain} answered {found.status} {answer.code}".rstrip())

    async def ask(
        self, domain: str, method: str, path: str, kind: type[T], body: bytes = signing.EMPTY_BODY, *, policy: Policy
    ) -> T:
        """Sends a request and returns its JSON answer; errors as `send`."""
        found = await self.send(domain, method, path, body, policy=policy)
        try:
            return msgspec.json.decode(found.body, type=kind)
        except (ValueError, RecursionError):
            raise PeerFailure(
                Answer(found.status, "MALFORMED"), f"{domain} sent an answer that cannot be read"
            ) from None

    async def _peer(self, domain: str, policy: Policy, *, is_notice: bool) -> PeerRecord:
        is_blocked, is_allowed = await self._database.read(partial(queries.listed, domain=domain))
        if is_blocked and not is_notice:
            raise PeerFailure(Answer(403, "FED_BLOCKED"), f"{domain} is blocked by this server")
        if not is_notice and not permits(policy, is_allowed=is_allowed, is_blocked=False):
            raise PeerFailure(Answer(403, "FED_POLICY_DENIED"), f"this server does not federate with {domain}")
        if domain == self._domain:
            raise PeerFailure(Answer(403, "FED_POLICY_DENIED"), "this is this server's own domain")
        record = await self._discovery.find(domain)
        if record.policy == "closed":
            raise PeerFailure(Answer(403, "FED_POLICY_DENIED"), f"{domain} says that it does not federate")
        if not record.keys:
            raise PeerFailure(Answer(0), f"the DNS shows no key for {domain}")
        return record


def unreachable(failure: PeerFailure, domain: str) -> Refusal:
    """What a client is told where a request to another server did not succeed: refusals as they are, all else as one."""
    code = failure.answer.code
    if code in {"FED_BLOCKED", "FED_POLICY_DENIED", "FED_USER_NOT_FOUND", "INVITE_NOT_FOUND", "BANNED"}:
        return refuse(code, f"{domain}: {failure}")
    if code == "INVITE_EXPIRED":
        return refuse(code, f"The invite to {domain} has expired.")
    return refuse("FED_UNAVAILABLE", f"{domain} cannot be reached or gives no usable answer; try again later.")


def path_segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="@")


def _answer(found: FetchResult) -> Answer:
    try:
        error = msgspec.json.decode(found.body, type=_ErrorBody).error
    except (ValueError, RecursionError):
        return Answer(found.status)
    after_s = None if error.retry_after_ms is None else max(0.0, error.retry_after_ms / 1000)
    return Answer(found.status, error.code[:64], after_s)
