"""The official libraries of Twilio and Plivo place calls through `vox simulate`, a real agent answers, the callback says how it went."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import plivo
from plivo.utils import validate_v3_signature
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.e2e.agents import FAKES, VOX, agent_server, until
from tests.fakes.carrier_customer import Customer, customer
from tests.time_limits import WAIT_S, time_limit
from vox.clients.carrier_simulator.server import Accounts

ACCOUNTS = Accounts()
CALLEE, CALLER = "+15550001000", "+15557654321"
SCENARIO = """\
default:
  ring_secs: 0.4
  hangs_up_after_secs: 2
rules:
  - {to: "+15550001001", outcome: busy, ring_secs: 0.4}
  - {to: "+15550001002", outcome: no_answer}
"""
RINGING: dict[str, Any] = {"timeout": 20}  # seconds, of the telephone
AGENT: dict[str, Any] = {**FAKES, "llm_options": {"responses": ["certainly."]}, "greeting": "hello and welcome to you."}


class SimulatedTwilio(TwilioHttpClient):
    """The library's own way to another server: an HTTP client, here one that changes the host."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Sends the library's request to the simulator."""
        return super().request(method, url.replace("https://api.twilio.com", self._address), *args, **kwargs)


class SimulatedPlivo(HTTPAdapter):
    """The same for Plivo's library, which sends with `requests`."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Sends the library's request to the simulator."""
        parts = urlsplit(request.url or "")
        request.url = f"{self._address}{parts.path}{f'?{parts.query}' if parts.query else ''}"
        return super().send(request, *args, **kwargs)


@contextlib.asynccontextmanager
async def simulate(folder: Path, *arguments: str) -> AsyncGenerator[str]:
    """A `vox simulate`; its address."""
    scenario = folder / "scenario.yaml"
    scenario.write_text(SCENARIO)
    log = folder / "simulator.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(VOX, "simulate", "--port", "0", "--scenario", str(scenario), *arguments),
            stdout=output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith(("TWILIO", "PLIVO"))},
        )
    try:
        await until(lambda: "exotel " in log.read_text() or process.returncode is not None)
        first = next(line for line in log.read_text().splitlines() if "simulated at" in line)
        yield first.partition("simulated at ")[2].partition(";")[0]
    finally:
        if process.returncode is None:
            process.terminate()
        async with time_limit():
            assert await process.wait() == 0, log.read_text()


async def ended(address: str, call_id: str) -> dict[str, Any]:
    """What the simulator knows of a call whose last callback is out."""
    async with httpx2.AsyncClient() as http, time_limit():
        while True:
            shown = (await http.get(f"{address}/simulator/calls/{call_id}")).json()
            if shown["is_finished"]:
                return shown
            last = shown["events"][-1]["number"]
            await http.get(f"{address}/simulator/events", params={"after": last, "wait": "1"}, timeout=WAIT_S)


async def test_twilios_library_calls_the_agent_through_the_simulator(tmp_path: Path):
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    async with (
        simulate(tmp_path, "--speed", "4", "--recordings", str(recordings)) as address,
        agent_server(tmp_path, AGENT, "--transport", "twilio", TWILIO_AUTH_TOKEN=ACCOUNTS.twilio_auth_token) as agent,
        customer() as shop,
    ):
        client = Client(ACCOUNTS.twilio_account_sid, ACCOUNTS.twilio_auth_token, http_client=SimulatedTwilio(address))

        async def place(to: str) -> Any:
            return await asyncio.to_thread(
                client.calls.create,
                to=to,
                from_=CALLER,
                url=f"{agent.http}/",
                status_callback=f"{shop.url}/status/{to[1:]}",
                status_callback_event=["initiated", "ringing", "answered", "completed"],
                **RINGING,
            )

        call = await place(CALLEE)
        assert call.status == "queued"
        busy, unanswered = await place("+15550001001"), await place("+15550001002")
        shown = await ended(address, call.sid)
        for other in (busy, unanswered):
            await ended(address, other.sid)
        fetched = await asyncio.to_thread(lambda: client.calls(call.sid).fetch())
        listed = await asyncio.to_thread(lambda: client.calls.list(from_=CALLER))
        with contextlib.suppress(TwilioRestException):
            await asyncio.to_thread(lambda: client.calls(call.sid).update(twiml="<Response/>"))
            raise AssertionError("a call that is over took another document")
        await until(lambda: any(recordings.iterdir()))
    assert shown["heard"]["has_answered"]
    assert (fetched.status, fetched.duration, fetched.direction) == ("completed", "2", "outbound-api")
    assert [one.status for one in listed] == ["no-answer", "busy", "completed"]
    assert shop.statuses(path=CALLEE[1:]) == ["initiated", "ringing", "in-progress", "completed"]
    assert shop.statuses(path="15550001001")[-1] == "busy"
    assert shop.statuses(path="15550001002")[-1] == "no-answer"
    validator = RequestValidator(ACCOUNTS.twilio_auth_token)
    for received in shop.received:
        signature = received.hook.header("x-twilio-signature")
        assert validator.validate(received.hook.url, received.form, signature)


async def test_plivos_library_calls_the_agent_through_the_simulator(tmp_path: Path):
    async with (
        simulate(tmp_path, "--speed", "4") as address,
        agent_server(tmp_path, AGENT, "--transport", "plivo", PLIVO_AUTH_TOKEN=ACCOUNTS.plivo_auth_token) as agent,
        customer("plivo") as shop,
    ):
        client = plivo.RestClient(ACCOUNTS.plivo_auth_id, ACCOUNTS.plivo_auth_token)
        client.session.mount("https://api.plivo.com", SimulatedPlivo(address))
        placed = await asyncio.to_thread(
            client.calls.create,
            from_=CALLER,
            to_=CALLEE,
            answer_url=f"{agent.http}/",
            hangup_url=f"{shop.url}/status/hangup",
        )
        shown = await ended(address, placed.request_uuid)
        record = await asyncio.to_thread(client.calls.get, placed.request_uuid)
    assert shown["heard"]["has_answered"]
    assert record.hangup_cause_name == "Normal Hangup"
    assert shop.statuses("CallStatus") == ["completed"]
    check_with_plivo(shop)


def check_with_plivo(shop: Customer) -> None:
    """Every callback's signature is what Plivo's own library expects."""
    for received in shop.received:
        hook = received.hook
        assert validate_v3_signature(
            hook.method,
            hook.url,
            hook.header("x-plivo-signature-v3-nonce"),
            ACCOUNTS.plivo_auth_token,
            hook.header("x-plivo-signature-v3"),
            received.form,
        )
