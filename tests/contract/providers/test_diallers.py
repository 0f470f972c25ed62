"""Diallers against servers that speak the carriers' wire: what is asked, and what failures say about whether anything was dialled."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.clock import FakeClock
from tests.fakes.tcp_server import listening
from vox.errors import DependencyError, UsageError
from vox.http.server import Server
from vox.providers import registry
from vox.providers.carriers.contract import DialRefused, DialRequest, DialUncertain, WebhookRequest
from vox.providers.contract import Deps
from vox.providers.diallers.livekit_sip import LiveKitSipDialler
from vox.security.digests import hmac_digest

REQUEST = DialRequest(
    to="+15551234567",
    from_="+15557654321",
    stream_url="wss://worker/v1/streams/rsv_1",
    parameters={"token": "tok_1"},
    status_url="https://bridge/status",
    answer_url="https://bridge/answer",
    ring_timeout_s=30,
    max_duration_s=600,
    amd="off",
    tag="call_1-1",
)
SECRET = "livekit-secret"
NAMES = ("twilio", "telnyx", "plivo", "exotel", "livekit_sip")


class Twirp:
    """A LiveKit-compatible server as far as SIP goes: rooms with one participant each."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self.participants: dict[str, dict[str, Any]] = {}
        self.app = Starlette(routes=[Route("/twirp/{service}/{method}", self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        signed, _, signature = request.headers["authorization"].removeprefix("Bearer ").rpartition(".")
        expected = base64.urlsafe_b64encode(hmac_digest(SECRET, signed, "sha256")).rstrip(b"=").decode()
        assert signature == expected
        payload = signed.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        body = await request.json()
        method = request.path_params["method"]
        self.asked.append((method, body, claims))
        if method == "CreateSIPParticipant":
            identity = body["participant_identity"]
            self.participants[identity] = {"identity": identity, "attributes": {"sip.callStatus": "ringing"}}
            return JSONResponse({"participant_identity": identity, "room_name": body["room_name"], "sip_call_id": "S1"})
        found = self.participants.get(body["identity"])
        if found is None:
            return JSONResponse({"code": "not_found", "msg": "participant does not exist"}, 404)
        if method == "RemoveParticipant":
            del self.participants[body["identity"]]
            return JSONResponse({})
        return JSONResponse(found)


@asynccontextmanager
async def livekit() -> AsyncGenerator[tuple[Twirp, LiveKitSipDialler]]:
    twirp = Twirp()
    async with Server(twirp.app, "127.0.0.1", 0, close_timeout_s=1.0) as server, httpx2.AsyncClient() as http:
        url = server.address.replace("http", "ws", 1)
        yield twirp, LiveKitSipDialler(http, FakeClock(), url, ("key", SECRET), "ST_1")


async def test_livekit_calls_a_number_into_a_room_of_its_own_and_knows_it_by_the_tag():
    async with livekit() as (twirp, dialler):
        assert await dialler.find(REQUEST, 0.0) is None
        dialled = await dialler.dial(REQUEST)
        method, body, claims = twirp.asked[-1]
        assert (method, body["sip_call_to"], body["sip_trunk_id"]) == ("CreateSIPParticipant", REQUEST.to, "ST_1")
        assert (body["ringing_timeout"], body["max_call_duration"]) == ("30s", "600s")
        assert (claims["iss"], claims["sip"]) == ("key", {"call": True})
        assert dialled.carrier_call_id == "call_1-1"
        found = await dialler.find(REQUEST, 0.0)
        assert found is not None
        assert found.stage == "ringing"
        twirp.participants["sip-call_1-1"]["attributes"]["sip.callStatus"] = "active"
        answered = await dialler.look_up("call_1-1")
        assert answered is not None
        assert answered.stage == "answered"
        assert await dialler.hang_up("call_1-1")
        assert await dialler.look_up("call_1-1") is None


async def test_livekits_webhook_is_believed_only_with_its_token_over_its_body():
    async with livekit() as (_, dialler):
        body = b'{"event":"participant_left"}'
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        good = dialler._token({"sha256": digest, "iat": 0})
        now = FakeClock().wall().timestamp()
        claims = {"sha256": digest, "iat": int(now)}
        token = dialler._token(claims)
        dialler.verify(WebhookRequest("POST", "https://b/", {"Authorization": token}, body), now=now)
        for header, sent in ((token, body + b" "), ("", body), (good, body)):
            with pytest.raises(UsageError) as refused:
                dialler.verify(WebhookRequest("POST", "https://b/", {"Authorization": header}, sent), now=now)
            assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("name", NAMES)
async def test_a_dialler_without_credentials_says_which_are_missing(name: str):
    async with httpx2.AsyncClient() as http:
        dialler = registry.create("diallers", name, {}, Deps(FakeClock(), http))
        with pytest.raises(DialRefused, match=r"set [A-Z]+_") as refused:
            await dialler.dial(REQUEST)
    assert (refused.value.reason, refused.value.retryable) == ("carrier_not_configured", False)


ENVIRONMENT = {
    "TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "t", "TELNYX_API_KEY": "k", "TELNYX_CONNECTION_ID": "c",
    "PLIVO_AUTH_ID": "i", "PLIVO_AUTH_TOKEN": "t", "EXOTEL_ACCOUNT_SID": "s", "EXOTEL_API_KEY": "k",
    "EXOTEL_API_TOKEN": "t", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s", "LIVEKIT_SIP_TRUNK_ID": "ST_1",
}  # fmt: skip
BASES = ("TWILIO_API_BASE", "TELNYX_API_BASE", "PLIVO_API_BASE", "EXOTEL_API_BASE", "LIVEKIT_URL")


@pytest.mark.parametrize("name", NAMES)
async def test_what_certainly_was_not_dialled_is_told_from_what_may_have_been(name: str):
    async def broken(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def failing(_request: Request) -> Response:
        return Response("no", 500)

    async def refusing(_request: Request) -> Response:
        return JSONResponse({"message": "no"}, 401)

    async with httpx2.AsyncClient() as http:

        def dialler_at(url: str) -> Any:
            return registry.create(
                "diallers", name, {}, Deps(FakeClock(), http, environment=ENVIRONMENT | dict.fromkeys(BASES, url))
            )

        async with listening(broken) as port:
            with pytest.raises(DialUncertain):
                await dialler_at(f"http://127.0.0.1:{port}").dial(REQUEST)
        with pytest.raises(DialRefused) as unreached:
            await dialler_at(f"http://127.0.0.1:{port}").dial(REQUEST)
        assert (unreached.value.reason, unreached.value.retryable) == ("carrier_unreachable", True)
        with pytest.raises(DependencyError) as away:
            await dialler_at(f"http://127.0.0.1:{port}").look_up("id-1")
        assert away.value.code == "carrier_unreachable"
        methods = ["GET", "POST", "DELETE"]
        app = Starlette(
            routes=[
                Route("/bad/{rest:path}", failing, methods=methods),
                Route("/no/{rest:path}", refusing, methods=methods),
            ]
        )
        async with Server(app, "127.0.0.1", 0, close_timeout_s=1.0) as running:
            with pytest.raises(DialUncertain):
                await dialler_at(f"{running.address}/bad").dial(REQUEST)
            with pytest.raises(DialRefused) as refused:
                await dialler_at(f"{running.address}/no").dial(REQUEST)
            assert (refused.value.reason, refused.value.retryable) == ("carrier_unauthorized", False)
