"""The phone's front door: answers the carrier's webhook with where to stream, and knows the streams it announced.

Where a carrier's secret is configured, the webhook must be signed; where only the server has a key, it must bring that.
The stream's address carries a short-lived token made from the same, so that any instance behind a balancer can check it
and only the carrier can open a stream.
"""

from collections.abc import Mapping
from typing import cast
from urllib.parse import quote, urlencode

from starlette.websockets import WebSocket

from vox.agent.api.policy import has_key
from vox.agent.api.responses import error
from vox.agent.config.doors import CARRIER_SECRETS, PHONE_RUNNERS, STREAM_TOKEN_KEYS
from vox.agent.gate import CallGate
from vox.agent.server import AgentServer
from vox.errors import UsageError, VoxError
from vox.http.call import HttpCall
from vox.http.routing import Reply
from vox.protocols.media_stream import FIRST_STREAM, RESUME_PARAMETER
from vox.providers import registry
from vox.providers.carriers.contract import (
    CallControl,
    CarrierDriver,
    ResumableDriver,
    WebhookAnswer,
    WebhookRequest,
)
from vox.runtime.logging import get_logger
from vox.security.digests import bad_signature, hmac_digest, is_equal

log = get_logger(__name__)

TOKEN_SECONDS = 300
RESUME_PATH = "/telephony/resume/"
DEFAULT_MAX_BODY_BYTES = 262_144
WAITED = "vox_waited_s"
"""In the address that a waiting call's carrier asks again: for how long it has waited."""
MAX_WAITED_DIGITS = 5
PAUSE_S = 10
ASK_BY_GET = frozenset({"vonage", "exotel"})
"""Carriers that ask by GET unless they are told otherwise; a call's id in the query tells them from a visitor."""


def is_call(carrier: str, call: HttpCall) -> bool:
    """Whether a request to `/` announces a call."""
    names = {name.lower() for name in call.query_params}
    return call.method == "POST" or (carrier in ASK_BY_GET and not names.isdisjoint({"uuid", "callsid"}))


async def answer(server: AgentServer, call: HttpCall, carrier: str, *, agent: str) -> Reply:
    """The answer to a carrier's webhook: its own form of "stream this call to us"."""
    fields = await _fields(server, call, carrier)
    if isinstance(fields, Reply):
        return fields
    parameters = _stream_parameters(fields)
    if agent:
        parameters["agent"] = agent
    elif _token_key(server, carrier) and (chosen := server.resources.agent_for(callee=fields.get("to", ""))):
        agent = chosen.name  # the token is made out to one agent, so the called number decides here
    driver, url = registry.load("carriers", carrier), stream_url(server, call, carrier, agent)
    if server.gate is not None:
        if server.admission.why_full(server.clock.now()) is not None and not server.gate.has_room_elsewhere():
            return _busy(server, server.gate, call, cast("CarrierDriver", driver))
        if (promise := server.gate.promise(agent)) is not None:
            url, parameters["token"] = promise.stream_url, promise.token
    if server.handovers is not None and isinstance(driver, ResumableDriver):
        resume_url = f"{public_base(server, call)}{RESUME_PATH}{carrier}"
        given = {**parameters, RESUME_PARAMETER: FIRST_STREAM}
        return _reply(driver.resumable_answer(url, parameters=given, resume_url=resume_url))
    answered: WebhookAnswer | None = driver.answer(url, parameters=parameters)
    if answered is None:
        return error(call.scope, 404, "NOT_FOUND", f"{carrier} does not use a webhook: give it the stream address")
    return _reply(answered)


async def resume(server: AgentServer, call: HttpCall, carrier: str) -> Reply:
    """The answer to a carrier whose stream is over: another stream for a call that goes on, else the end of the call."""
    driver = registry.load("carriers", carrier)
    if server.handovers is None or not isinstance(driver, ResumableDriver):
        return error(call.scope, 404, "NOT_FOUND", "Calls are not handed over here")
    fields = await _fields(server, call, carrier)
    if isinstance(fields, Reply):
        return fields
    call_id = driver.call_id_of(fields)
    invitation = await server.handovers.invite(line_of(carrier, call_id)) if call_id else None
    if invitation is None:
        return _reply(driver.end_answer())
    saved = invitation.checkpoint
    url = stream_url(server, call, carrier, saved.agent)
    parameters = {**_stream_parameters(fields), RESUME_PARAMETER: invitation.token}
    if saved.bot_id:
        parameters["bot"] = saved.bot_id
    if server.gate is not None and (promise := server.gate.promise(saved.agent)) is not None:
        url, parameters["token"] = promise.stream_url, promise.token
    return _reply(
        driver.resumable_answer(
            url,
            parameters=parameters,
            resume_url=f"{public_base(server, call)}{RESUME_PATH}{carrier}",
            pause_s=invitation.offers - 1,  # streams that do not come are not asked for without end at once
        )
    )


def line_of(carrier: str, call_id: str) -> str:
    """The name by which a carrier's call is found again; empty where it has none."""
    return f"{carrier}:{call_id}" if call_id else ""


async def _fields(server: AgentServer, call: HttpCall, carrier: str) -> dict[str, str] | Reply:
    """What a carrier's webhook says of the call, once it has proven to be the carrier's; else the refusal."""
    try:
        limit = server.settings.max_request_body_bytes or DEFAULT_MAX_BODY_BYTES
        body = await call.read_body(limit)
    except VoxError as failed:
        return error(call.scope, 400, "BAD_REQUEST", str(failed))
    driver = registry.load("carriers", carrier)
    secret = _secret(server, carrier)
    hook = WebhookRequest(call.method, _public_url(server, call), dict(call.headers), body)
    if secret:
        try:
            driver.verify(hook, secret, now=server.clock.wall().timestamp())
        except UsageError as refused:
            log.warning("webhook refused", carrier=carrier, error=str(refused))
            return error(call.scope, 403, "FORBIDDEN", "The signature is missing or wrong")
    elif _wants_key(server, carrier) and not has_key(call, server.settings):
        log.warning("webhook refused", carrier=carrier, error="neither a carrier's secret nor the server's key")
        return error(call.scope, 401, "UNAUTHORIZED", "Unauthorized")
    try:
        return hook.fields()
    except UsageError:
        return error(call.scope, 400, "BAD_REQUEST", "The Host header is not a valid host")


def _stream_parameters(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: fields[name] for name in ("from", "to", "uuid") if fields.get(name)}


def _reply(answered: WebhookAnswer) -> Reply:
    return Reply(200, answered.body, {"content-type": _with_charset(answered.content_type)})


def check_stream(server: AgentServer, websocket: WebSocket, agent: str) -> None:
    """Lets a media stream pass that this server announced or its carrier signed.

    Raises:
        UsageError: anybody else's, where there is a secret to tell by.
    """
    runner = server.settings.runner_transport
    if runner not in PHONE_RUNNERS:
        return
    secret, now = _secret(server, runner), server.clock.wall().timestamp()
    if not (secret or _wants_key(server, runner)):
        return
    token = websocket.scope["path_params"].get("token") or websocket.query_params.get("token", "")
    if token and _is_announced(token, agent, _token_key(server, runner), now):
        return
    if not secret:
        if not has_key(websocket, server.settings):
            raise bad_signature("it brings neither a token nor the server's key")
        return
    url = _public_url(server, websocket).replace("http", "ws", 1)
    driver = registry.load("carriers", runner)
    driver.verify(WebhookRequest("GET", url, dict(websocket.headers)), secret, now=now)


def check_carrier(server: AgentServer, websocket: WebSocket, carrier: str) -> None:
    """Lets a stream pass that brings its carrier's secret, or where there is none the server's key.

    Raises:
        UsageError: anybody else's, where there is a secret or a key.
    """
    secret = _secret(server, carrier)
    if not secret:
        if not has_key(websocket, server.settings):
            raise bad_signature("it does not bring the server's key")
        return
    url = _public_url(server, websocket).replace("http", "ws", 1)
    hook = WebhookRequest("GET", url, dict(websocket.headers))
    registry.load("carriers", carrier).verify(hook, secret, now=server.clock.wall().timestamp())


def are_streams_proven(server: AgentServer) -> bool:
    """Whether every media stream that comes in has shown a token, a signature or the server's key."""
    runner = server.settings.runner_transport
    if runner not in PHONE_RUNNERS:
        return bool(server.settings.server_api_key.get_secret_value())
    return bool(_secret(server, runner)) or _wants_key(server, runner)


async def hang_up(server: AgentServer, carrier: str, call_id: str) -> None:
    """Ends the phone call behind a stream that we ended, where credentials allow it; a failure is logged."""
    try:
        control: CallControl = server.resources.call_control(carrier)
        if await control.hang_up(call_id):
            log.info("call hung up", carrier=carrier)
    except VoxError as failed:
        log.warning("hang-up failed", carrier=carrier, code=failed.code, error=str(failed))


def _busy(server: AgentServer, gate: CallGate, call: HttpCall, driver: CarrierDriver) -> Reply:
    """The answer for a caller that no worker can take: never a stream that would be refused."""
    waited = call.query_params.get(WAITED, "")
    waited_s = int(waited) if waited.isascii() and waited.isdigit() and len(waited) <= MAX_WAITED_DIGITS else 0
    url = _public_url(server, call).partition("?")[0]
    others = [(name, value) for name, value in call.query_params.multi_items() if name != WAITED]
    again_url = f"{url}?{urlencode([*others, (WAITED, str(waited_s + PAUSE_S))])}"
    answered = driver.busy(gate.busy_answer(waited_s, again_url))
    log.info("call answered as busy", waited_s=waited_s)
    if answered is None:
        headers = {"retry-after": str(gate.retry_after_s())}
        return error(call.scope, 503, "AT_CAPACITY", "No worker has a free slot", headers=headers)
    return _reply(answered)


def _secret(server: AgentServer, carrier: str) -> str:
    return _key(server, *CARRIER_SECRETS[carrier]) if server.settings.verify_signatures else ""


def _wants_key(server: AgentServer, carrier: str) -> bool:
    """Whether the server's key stands in for a secret that the carrier has not got."""
    settings = server.settings
    has_one = bool(settings.server_api_key.get_secret_value())
    return settings.verify_signatures and has_one and not _secret(server, carrier)


def _token_key(server: AgentServer, carrier: str) -> str:
    private = _key(server, *STREAM_TOKEN_KEYS[carrier]) if carrier in STREAM_TOKEN_KEYS else ""
    secret = _secret(server, carrier)
    if not secret and _wants_key(server, carrier):
        return server.settings.server_api_key.get_secret_value()
    return (private or secret) if secret else ""


def _key(server: AgentServer, key: str, variable: str) -> str:
    return server.settings.api_keys.get(key) or server.environment.get(variable, "")


def stream_url(server: AgentServer, call: HttpCall | WebSocket, carrier: str, agent: str) -> str:
    """Where a call's media stream comes in, with a token that lets it pass for a while."""
    path = "/telephony/ws"
    if agent:
        path += f"/{quote(agent, safe='')}"
    if agent and _token_key(server, carrier):
        expires = server.clock.unix_s() + TOKEN_SECONDS
        path += f"/{expires}.{_sign_stream_token(expires, agent, _token_key(server, carrier))}"
    return public_base(server, call).replace("http", "ws", 1) + path


def _is_announced(token: str, agent: str, secret: str, now: float) -> bool:
    expires, _, signature = token.partition(".")
    if not (expires.isascii() and expires.isdigit()) or len(expires) > 12 or int(expires) < now:  # noqa: PLR2004  digits of seconds
        return False
    return is_equal(_sign_stream_token(int(expires), agent, secret), signature)


def _sign_stream_token(expires: int, agent: str, secret: str) -> str:
    return hmac_digest(secret, f"vox-stream:{agent}:{expires}", "sha256").hex()[:32]


def public_base(server: AgentServer, call: HttpCall | WebSocket) -> str:
    """Scheme and host at which this server is reached from outside."""
    settings = server.settings
    forwarded = call.headers.get("x-forwarded-proto", "").lower().startswith("https")
    is_secure = bool(settings.proxy_host) or forwarded or settings.tls_enable
    host = settings.proxy_host or call.headers.get("host", "localhost")
    return f"{'https' if is_secure else 'http'}://{host}"


def _public_url(server: AgentServer, call: HttpCall | WebSocket) -> str:
    """The address that the carrier called and signed, letter by letter: nothing here may decode or parse it."""
    scope = call.scope
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string", b"")
    return f"{public_base(server, call)}{(path + (b'?' + query if query else b'')).decode('latin-1')}"


def _with_charset(content_type: str) -> str:
    """Text says how it is encoded; markup without it is read as Latin-1 by some carriers."""
    is_text = content_type.startswith("text/") and "charset=" not in content_type.lower()
    return f"{content_type}; charset=utf-8" if is_text else content_type
