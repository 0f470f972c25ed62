"""`POST /start` where it makes a session: kept in the store, answered once per idempotency key, bounded per address."""

import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from vox.agent.api.ice_servers import ice_servers
from vox.agent.api.pages import Refusal
from vox.agent.api.policy import given_key
from vox.agent.api.responses import JSON
from vox.agent.api.start_limits import StartLimits
from vox.agent.api.start_request import StartRequest
from vox.agent.metrics import SESSIONS_REFUSED, SESSIONS_STARTED
from vox.agent.server import AgentServer
from vox.agent.sessions.contract import StoredSession
from vox.agent.sessions.idempotency import MAX_KEY_LENGTH, fingerprint_of, storage_key
from vox.agent.sessions.variables import query_variables
from vox.errors import DependencyError, UsageError
from vox.http.call import HttpCall
from vox.http.routing import Reply
from vox.runtime.clock import new_uuid
from vox.runtime.logging import get_logger
from vox.security.addresses import network_key

log = get_logger(__name__)

MAX_ID_LENGTH: Final = 64
_KEY: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class SessionStarts:
    """Makes the sessions of one server.

    Args:
        server: keeps them.
        limits: how often one address may have one made.
    """

    def __init__(self, server: AgentServer, limits: StartLimits) -> None:
        self._server = server
        self._limits = limits

    async def answer(self, call: HttpCall, raw: bytes, make: Callable[[], Awaitable[Reply]]) -> Reply:
        """What `make` answers, or what it answered before under the same idempotency key.

        Args:
            call: the request.
            raw: its body.
            make: does the work and answers 201; a failure leaves the key free.

        Raises:
            Refusal: too many requests, a key in use or used for another body, or the store cannot be reached.
        """
        key = self._idempotency_key(call)
        with store_failures(self._server):
            if key:
                return await self._once(call, key, fingerprint_of(call.scope["query_string"], raw), make)
            self._limits.check(call)
            return await make()

    async def keep(self, call: HttpCall, body: dict[str, Any]) -> str:
        """Keeps data for a call that comes over `/ws`; the id to name there.

        Raises:
            Refusal: too many requests, or the store cannot be reached.
        """
        with store_failures(self._server):
            self._limits.check(call)
            session_id = new_uuid()
            await self._server.session_store.put(session_id, StoredSession(body))
            return session_id

    async def start(self, call: HttpCall, request: StartRequest) -> Reply:
        """A new session: 201 with its id, and ICE servers where they are asked for.

        Raises:
            Refusal: a field has the wrong type.
            DependencyError: the store failed.
        """
        self.check_fields(request)
        session_id = new_uuid()
        session = StoredSession(self._body(call, request), request.wants_ice_servers)
        await self._server.session_store.put(session_id, session)
        answer: dict[str, Any] = {"sessionId": session_id}
        if request.wants_ice_servers:
            answer["iceConfig"] = {"iceServers": ice_servers(self._server, call)}
        return self.created(answer)

    @staticmethod
    def check_fields(request: StartRequest) -> None:
        """Lets types pass that a session can be made of.

        Raises:
            Refusal: a field has the wrong type.
        """
        try:
            request.check_session_fields()
        except UsageError as error:
            details = [{"field": str(error).partition(" ")[0], "message": str(error)}]
            raise Refusal(400, "BAD_REQUEST", f"Invalid JSON body: {error}", details=details) from None

    def created(self, answer: dict[str, Any]) -> Reply:
        """201, with the fields in `data` and at the top, where Pipecat's clients read them."""
        self._server.metrics.counter(SESSIONS_STARTED).inc()
        return Reply(201, msgspec.json.encode({"data": answer, **answer}), JSON)

    async def _once(self, call: HttpCall, key: str, fingerprint: str, make: Callable[[], Awaitable[Reply]]) -> Reply:
        server = self._server
        store = server.stores.idempotency
        caller = given_key(call) if server.settings.server_api_key.get_secret_value() else network_key(call.client)
        name = storage_key(caller, call.scope["path"], key)
        known = await store.begin(name, fingerprint)
        if known is not None and known.fingerprint != fingerprint:
            raise Refusal(
                422,
                "VALIDATION_ERROR",
                "This Idempotency-Key was used with another request; choose a new one for each.",
                details=[{"field": "Idempotency-Key", "message": "used with another request"}],
            )
        if known is not None and known.answer is None:
            message = "A request with this Idempotency-Key is being answered; try again."
            raise Refusal(409, "CONFLICT", message, headers=_retry_after(1))
        if known is not None and known.answer is not None:
            return Reply(201, known.answer, JSON)
        is_kept = False
        try:
            self._limits.check(call)
            reply = await make()
            await store.finish(name, fingerprint, reply.body)
            is_kept = True
        finally:
            if not is_kept:
                await store.abandon(name)
        return reply

    def _idempotency_key(self, call: HttpCall) -> str:
        key = call.headers.get("idempotency-key", "").strip()
        if key and (len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key)):
            raise Refusal(
                400, "BAD_REQUEST", f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters."
            )
        return key

    @staticmethod
    def _body(call: HttpCall, request: StartRequest) -> dict[str, Any] | None:
        """The application's data, and what the query says of it: the agent and `var.…`."""
        query = call.query_params
        agent = query.get("agent") or request.agent
        body = {**query_variables(query), **request.application_data, **({"agent": agent} if agent else {})}
        return body if body or request.fields.get("body") is not None else None


async def stored_body(server: AgentServer, session_id: str) -> dict[str, Any]:
    """What was kept for a call.

    Raises:
        Refusal: there is no such session, or the store cannot be reached.
    """
    with store_failures(server):
        session = await server.session_store.get(session_id) if len(session_id) <= MAX_ID_LENGTH else None
    if session is None:
        raise Refusal(404, "NOT_FOUND", "Session not found: it expires after a while; start a new one.")
    return session.body or {}


@contextmanager
def store_failures(server: AgentServer) -> Generator[None]:
    """Makes a failure of the store an answer that says when to try again.

    Raises:
        Refusal: the store failed.
    """
    try:
        yield
    except DependencyError as error:
        server.metrics.counter(SESSIONS_REFUSED, "store").inc()
        log.warning("session store failed", code=error.code, error=str(error))
        message = "The session store cannot be reached; try again."
        raise Refusal(503, "SERVICE_UNAVAILABLE", message, headers=_retry_after(1)) from error


def _retry_after(seconds: int) -> dict[str, str]:
    return {"retry-after": str(seconds)}
