"""Short words for what tests of second factors do again and again."""

import base64
import hashlib
import hmac
import struct
from typing import Any

import httpx2

from tests.contract.chat.harness import PASSWORD, Person, Rig
from tests.contract.chat.helpers_people import anonymous, log_in
from tests.fakes.authenticator import Authenticator

PUBLIC: dict[str, Any] = {"gateway_url": "wss://chat.example.com/gateway"}
STEP_S = 30


def code_at(secret: str, unix_s: float) -> str:
    """The one-time password of a moment, by RFC 6238."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(unix_s // STEP_S)), hashlib.sha1)
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def code_now(rig: Rig, secret: str, steps: int = 0) -> str:
    """The one-time password of the server's present, or some steps away."""
    return code_at(secret, rig.chat.clock.unix_s() + steps * STEP_S)


async def add_totp(person: Person) -> tuple[str, list[str]]:
    """One-time passwords for somebody: the secret, and the recovery codes. The present step is used by it."""
    setup = await person.ok("POST", "/auth/2fa/setup", {"method": "totp"})
    body = {"setup_id": setup["setup_id"], "code": code_now(person.rig, setup["totp_secret"])}
    confirmed = await person.ok("POST", "/auth/2fa/setup/confirm", body)
    return setup["totp_secret"], confirmed["recovery_codes"]


async def add_passkey(person: Person, device: Authenticator | None = None, **more: Any) -> Authenticator:
    """A passkey for somebody."""
    device = device or Authenticator()
    setup = await person.ok("POST", "/auth/2fa/setup", {"method": "webauthn"})
    body = {"setup_id": setup["setup_id"], "attestation": device.create(setup["creation_options"]), **more}
    await person.ok("POST", "/auth/2fa/setup/confirm", body)
    return device


async def half_login(rig: Rig, name: str) -> dict[str, Any]:
    """The error of a login whose second factor is missing: ticket and methods."""
    reply = await log_in(rig, name, PASSWORD)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (401, "2FA_REQUIRED"), reply.text
    return error


async def finish(rig: Rig, ticket: str, method: str, **proof: Any) -> httpx2.Response:
    """The second half of a login."""
    return await anonymous(rig, "POST", "/auth/login/2fa", {"mfa_ticket": ticket, "method": method, **proof})


async def challenge(rig: Rig, **body: Any) -> dict[str, Any]:
    """A challenge for a login: its id and options."""
    reply = await anonymous(rig, "POST", "/auth/login/webauthn/challenge", body)
    assert reply.is_success, reply.text
    return reply.json()


async def passkey_login(rig: Rig, **answer: Any) -> httpx2.Response:
    """A login by a passkey alone."""
    return await anonymous(rig, "POST", "/auth/login/webauthn", answer)


def as_person(rig: Rig, name: str, reply: httpx2.Response) -> Person:
    """Who has logged in."""
    assert reply.is_success, reply.text
    body = reply.json()
    return Person(rig, name, body["user_id"], body["token"])
