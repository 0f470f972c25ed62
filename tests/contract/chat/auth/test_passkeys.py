"""Passkeys made and used with an authenticator in software, and the attacks on them."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import PASSWORD, Person, Rig, community
from tests.contract.chat.helpers_factors import (
    PUBLIC,
    add_passkey,
    add_totp,
    as_person,
    challenge,
    finish,
    half_login,
    passkey_login,
)
from tests.contract.chat.helpers_people import LateClock, anonymous, log_in, outcome
from tests.fakes.authenticator import Authenticator, b64

FAILED = (401, "WEBAUTHN_FAILED")
VOID = (400, "WEBAUTHN_FAILED")


@pytest.fixture
async def rig(database_url: str, tmp_path: Path) -> AsyncGenerator[Rig, None]:
    """A community with a public address and a date that a test moves on."""
    async with community(database_url, tmp_path, clock=LateClock(), **PUBLIC) as rig:
        yield rig


@pytest.fixture
async def ada(rig: Rig) -> Person:
    return await rig.register("ada")


async def answer(rig: Rig, device: Authenticator, name: str | None = "ada", **client: Any) -> dict[str, Any]:
    """A device's answer to a fresh challenge for a login."""
    asked = await challenge(rig, **({} if name is None else {"username": name}))
    named = {} if name is None else {"username": name}
    return {**named, **device.sign(asked["options"], challenge_id=asked["challenge_id"], **client)}


async def test_a_passkey_from_its_making_to_its_removal(rig: Rig, ada: Person) -> None:
    setup = await ada.ok("POST", "/auth/2fa/setup", {"method": "webauthn"})
    options = setup["creation_options"]
    assert setup["setup_id"].startswith("setup_webauthn_")
    assert options["rp"] == {"id": "chat.example.com", "name": "Vox Server"}
    assert options["user"] == {"id": b64((1).to_bytes(8, "big")), "name": "ada", "displayName": "ada"}
    device = Authenticator()
    body = {"setup_id": setup["setup_id"], "attestation": device.create(options), "credential_name": "Laptop"}
    confirmed = await ada.ok("POST", "/auth/2fa/setup/confirm", body)
    assert len(confirmed["recovery_codes"]) == 8
    (listed,) = await ada.ok("GET", "/auth/webauthn/credentials")
    assert {**listed, "registered_at": 0} == {
        "credential_id": b64(device.credential_id), "name": "Laptop", "registered_at": 0, "last_used_at": None,
    }  # fmt: skip

    asked = await challenge(rig, username="ada")
    allowed = [{"type": "public-key", "id": b64(device.credential_id), "transports": ["internal"]}]
    assert asked["options"]["allowCredentials"] == allowed
    assert (asked["options"]["rpId"], asked["options"]["userVerification"]) == ("chat.example.com", "required")
    second = as_person(rig, "ada", await passkey_login(rig, **await answer(rig, device)))
    assert (await second.ok("GET", "/auth/sessions"))["sessions"][0]["method"] == "passkey"
    assert (await ada.ok("GET", "/auth/webauthn/credentials"))[0]["last_used_at"] is not None

    path = f"/auth/webauthn/credentials/{b64(device.credential_id)}"
    bob = await rig.register("bob")
    assert outcome(await bob.delete(path)) == (404, "WEBAUTHN_CREDENTIAL_NOT_FOUND")
    assert outcome(await ada.delete("/auth/webauthn/credentials/!")) == (404, "WEBAUTHN_CREDENTIAL_NOT_FOUND")
    assert (await ada.call("DELETE", path)).json() == {"success": True}
    assert outcome(await ada.delete(path)) == (404, "WEBAUTHN_CREDENTIAL_NOT_FOUND")
    assert (await ada.ok("GET", "/auth/2fa"))["recovery_codes_left"] == 0
    assert outcome(await log_in(rig, "ada", PASSWORD)) == (200, "")


async def test_a_device_says_whose_it_is_without_a_name(rig: Rig, ada: Person) -> None:
    device = await add_passkey(await rig.register("bob"))
    reply = await passkey_login(rig, **await answer(rig, device, None))
    assert as_person(rig, "bob", reply).user_id == 2
    silent = await answer(rig, device, None)
    assert outcome(await passkey_login(rig, **{**silent, "user_handle": None})) == FAILED
    lying = await answer(rig, device, None)
    assert outcome(await passkey_login(rig, **{**lying, "user_handle": b64((1).to_bytes(8, "big"))})) == FAILED


async def test_a_passkey_finishes_a_login_that_a_password_began(rig: Rig, ada: Person) -> None:
    device = await add_passkey(ada, Authenticator(verifies=False))
    error = await half_login(rig, "ada")
    assert error["available_methods"] == ["webauthn", "recovery"]
    asked = await challenge(rig, mfa_ticket=error["mfa_ticket"])
    assert asked["options"]["userVerification"] == "preferred"
    assertion = device.get(asked["options"], challenge_id=asked["challenge_id"])
    assert outcome(await finish(rig, error["mfa_ticket"], "webauthn", assertion=assertion)) == (200, "")
    # a client of the original names the user, and sends the flat form
    error = await half_login(rig, "ada")
    device.verifies = True
    flat = await answer(rig, device)
    assert outcome(await finish(rig, error["mfa_ticket"], "webauthn", assertion=flat)) == (200, "")


async def test_an_assertion_is_taken_once(rig: Rig, ada: Person) -> None:
    device = await add_passkey(ada)
    signed = await answer(rig, device)
    replies = await asyncio.gather(*(passkey_login(rig, **signed) for _ in range(4)))
    assert sorted(map(outcome, replies)) == [(200, ""), VOID, VOID, VOID]
    asked = await challenge(rig, username="ada")
    fresh_id = {**signed, "challenge_id": asked["challenge_id"]}
    assert outcome(await passkey_login(rig, **fresh_id)) == FAILED, "an old answer to a new challenge"
    right = device.sign(asked["options"], challenge_id=asked["challenge_id"])
    assert outcome(await passkey_login(rig, username="ada", **right)) == VOID, "and it has used that challenge up"


ELSEWHERE: list[dict[str, Any]] = [
    {"origin": "https://chat.example.com.evil.test"},
    {"origin": "https://evil.example.com"},
    {"origin": "http://chat.example.com"},
    {"origin": "https://chat.example.com:444"},
    {"crossOrigin": True},
    {"type": "webauthn.create"},
    {"rp_id": "evil.test"},
    {"challenge": b64(bytes(32))},
    {"challenge": ""},
    {"origin": None},
    {"origin": ["https://chat.example.com"]},
]


async def test_an_assertion_for_another_place_is_refused(rig: Rig, ada: Person) -> None:
    device = await add_passkey(ada)
    for client in ELSEWHERE:
        assert outcome(await passkey_login(rig, **await answer(rig, device, **client))) == FAILED, client
    assert outcome(await passkey_login(rig, **await answer(rig, device))) == (200, "")


async def test_a_passkey_is_made_for_this_origin_only(rig: Rig, ada: Person) -> None:
    for device in (Authenticator(origin="https://evil.test"), Authenticator(origin="https://a.chat.example.com")):
        setup = await ada.ok("POST", "/auth/2fa/setup", {"method": "webauthn"})
        body = {"setup_id": setup["setup_id"], "attestation": device.create(setup["creation_options"])}
        assert outcome(await ada.post("/auth/2fa/setup/confirm", body)) == VOID
    assert await ada.ok("GET", "/auth/webauthn/credentials") == []


async def test_a_passkey_lets_in_nobody_but_its_owner(rig: Rig, ada: Person) -> None:
    bob = await rig.register("bob")
    hers, his = await add_passkey(ada), await add_passkey(bob)
    as_ada = await challenge(rig, username="ada")
    signed = his.sign(as_ada["options"], challenge_id=as_ada["challenge_id"])
    assert outcome(await passkey_login(rig, username="ada", **signed)) == FAILED
    as_bob = await answer(rig, his, "bob")
    assert outcome(await passkey_login(rig, **{**as_bob, "username": "ada"})) == FAILED
    claimed = {**await answer(rig, his, "bob"), "credential_id": b64(hers.credential_id), "user_handle": None}
    assert outcome(await passkey_login(rig, **claimed)) == FAILED
    ticket = (await half_login(rig, "ada"))["mfa_ticket"]
    signed = await answer(rig, his, "bob")
    assert outcome(await finish(rig, ticket, "webauthn", assertion=signed)) == (401, "2FA_INVALID_CODE")


async def test_a_challenge_is_good_for_one_purpose_and_one_login(rig: Rig, ada: Person) -> None:
    device = await add_passkey(ada)
    proof = await ada.ok("POST", "/auth/step-up/challenge")
    signed = device.sign(proof["options"], challenge_id=proof["challenge_id"])
    assert outcome(await passkey_login(rig, username="ada", **signed)) == FAILED
    for_login = await answer(rig, device)
    reply = await ada.post("/auth/step-up", {"method": "webauthn", "assertion": for_login})
    assert outcome(reply) == (401, "2FA_INVALID_CODE")
    first, second = await half_login(rig, "ada"), await half_login(rig, "ada")
    asked = await challenge(rig, mfa_ticket=first["mfa_ticket"])
    assertion = device.get(asked["options"], challenge_id=asked["challenge_id"])
    assert outcome(await finish(rig, second["mfa_ticket"], "webauthn", assertion=assertion)) == (
        401,
        "2FA_INVALID_CODE",
    )
    asked = await challenge(rig, mfa_ticket=first["mfa_ticket"])
    signed = device.sign(asked["options"], challenge_id=asked["challenge_id"])
    assert outcome(await passkey_login(rig, username="ada", **signed)) == FAILED
    other = as_person(rig, "ada", await passkey_login(rig, **await answer(rig, device)))
    asked = await other.ok("POST", "/auth/step-up/challenge")
    stolen = device.get(asked["options"], challenge_id=asked["challenge_id"])
    assert outcome(await ada.post("/auth/step-up", {"method": "webauthn", "assertion": stolen})) == (
        401,
        "2FA_INVALID_CODE",
    )
    setup = await ada.ok("POST", "/auth/2fa/setup", {"method": "webauthn"})
    again = await ada.ok("POST", "/auth/2fa/setup", {"method": "webauthn"})
    body = {"setup_id": again["setup_id"], "attestation": Authenticator().create(setup["creation_options"])}
    assert outcome(await ada.post("/auth/2fa/setup/confirm", body)) == VOID


async def test_a_challenge_expires(rig: Rig, ada: Person) -> None:
    device = await add_passkey(ada)
    signed = await answer(rig, device)
    clock = rig.chat.clock
    assert isinstance(clock, LateClock)
    clock.advance(301)
    assert outcome(await passkey_login(rig, **signed)) == VOID


async def test_a_login_by_a_passkey_alone_needs_a_finger_or_pin(rig: Rig, ada: Person) -> None:
    device = await add_passkey(ada, Authenticator(verifies=False))
    assert outcome(await passkey_login(rig, **await answer(rig, device))) == FAILED


async def test_a_copied_passkey_is_noticed_by_its_count(rig: Rig, ada: Person) -> None:
    device = await add_passkey(ada)
    for _ in range(3):
        assert outcome(await passkey_login(rig, **await answer(rig, device))) == (200, "")
    device.uses -= 2
    assert outcome(await passkey_login(rig, **await answer(rig, device))) == FAILED


async def test_a_synchronised_passkey_does_not_count(rig: Rig, ada: Person) -> None:
    device = await add_passkey(ada, Authenticator(counts=False))
    for _ in range(2):
        assert outcome(await passkey_login(rig, **await answer(rig, device))) == (200, "")


async def test_who_has_no_passkey(rig: Rig, ada: Person) -> None:
    async def begin(**body: Any) -> tuple[int, str]:
        return outcome(await anonymous(rig, "POST", "/auth/login/webauthn/challenge", body))

    assert await begin(username="ada") == (404, "WEBAUTHN_CREDENTIAL_NOT_FOUND")
    assert await begin(username="ghost") == (401, "AUTH_FAILED")
    assert await begin(mfa_ticket="mfa_unknown") == (401, "2FA_INVALID_CODE")
    assert outcome(await ada.post("/auth/step-up/challenge")) == (404, "WEBAUTHN_CREDENTIAL_NOT_FOUND")
    device = await add_passkey(ada)
    signed = await answer(rig, device)
    unknown = {**signed, "username": "ghost"}
    assert outcome(await passkey_login(rig, **unknown)) == (401, "AUTH_FAILED")
    assert outcome(await passkey_login(rig, **{**signed, "credential_id": b64(b"other")})) == VOID
    assert outcome(await passkey_login(rig, **{**signed, "challenge_id": "x"})) == VOID
    assert outcome(await passkey_login(rig, **{**signed, "signature": "A" * 4097})) == (422, "VALIDATION_ERROR")


async def test_one_passkey_belongs_to_one_account(rig: Rig, ada: Person) -> None:
    bob = await rig.register("bob")
    device = await add_passkey(ada)
    setup = await bob.ok("POST", "/auth/2fa/setup", {"method": "webauthn"})
    body = {"setup_id": setup["setup_id"], "attestation": device.create(setup["creation_options"])}
    assert outcome(await bob.post("/auth/2fa/setup/confirm", body)) == VOID
    assert outcome(await passkey_login(rig, **await answer(rig, device))) == FAILED, "it knows its new owner now"


async def test_what_is_no_attestation(rig: Rig, ada: Person) -> None:
    wrong: list[Any] = [None, {}, {"challenge_id": "x"}, {"response": 5}, {"response": {"attestationObject": "!"}}]
    for attestation in wrong:
        setup = await ada.ok("POST", "/auth/2fa/setup", {"method": "webauthn"})
        body = {"setup_id": setup["setup_id"], "attestation": attestation}
        assert outcome(await ada.post("/auth/2fa/setup/confirm", body)) == VOID, attestation


async def test_passkeys_are_removed_all_at_once_by_a_proof(rig: Rig, ada: Person) -> None:
    device = await add_passkey(ada)
    await add_passkey(ada)
    other = as_person(rig, "ada", await passkey_login(rig, **await answer(rig, device)))
    asked = await ada.ok("POST", "/auth/step-up/challenge")
    assertion = device.get(asked["options"], challenge_id=asked["challenge_id"])
    assert outcome(await ada.delete("/auth/2fa", {"method": "webauthn", "assertion": assertion})) == (200, "")
    assert await ada.ok("GET", "/auth/webauthn/credentials") == []
    assert outcome(await other.get("/server")) == (401, "AUTH_EXPIRED")


async def test_a_user_has_25_passkeys_at_most(rig: Rig, ada: Person) -> None:
    for _ in range(25):
        await add_passkey(ada)
    assert outcome(await ada.post("/auth/2fa/setup", {"method": "webauthn"})) == (400, "INVALID_OPERATION")


async def test_what_is_dangerous_wants_a_factor_that_was_shown_lately(rig: Rig, ada: Person) -> None:
    _, codes = await add_totp(ada)
    device = await add_passkey(ada)
    await ada.ok("POST", "/feeds", {"name": "general", "type": "text"})
    clock = rig.chat.clock
    assert isinstance(clock, LateClock)
    clock.advance(601)
    reply = await ada.delete("/feeds/1")
    assert outcome(reply) == (403, "STEP_UP_REQUIRED")
    assert reply.json()["error"]["available_methods"] == ["totp", "webauthn", "recovery"]
    for method, path, body in (
        ("POST", "/auth/2fa/recovery-codes", {}),
        ("POST", "/auth/2fa/setup", {"method": "webauthn"}),
        ("POST", "/auth/password", {"current_password": PASSWORD, "new_password": "another password"}),
        ("POST", "/admin/2fa-reset", {"target_user_id": 1, "reason": "lost"}),
        ("POST", "/admin/password-reset", {"target_user_id": 1}),
        ("DELETE", f"/auth/webauthn/credentials/{b64(device.credential_id)}", None),
    ):
        assert outcome(await ada.call(method, path, json=body)) == (403, "STEP_UP_REQUIRED"), path
    assert outcome(await ada.post("/auth/step-up", {"method": "password", "code": "x"})) == (400, "INVALID_METHOD")
    assert outcome(await ada.post("/auth/step-up", {"method": "totp"})) == (400, "2FA_INVALID_CODE")
    assert outcome(await ada.post("/auth/step-up", {"method": "totp", "code": "000000"})) == (401, "2FA_INVALID_CODE")
    asked = await ada.ok("POST", "/auth/step-up/challenge")
    assertion = device.get(asked["options"], challenge_id=asked["challenge_id"])
    fresh = await ada.ok("POST", "/auth/step-up", {"method": "webauthn", "assertion": assertion})
    assert 590 < fresh["fresh_until"] - clock.unix_s() <= 600
    assert outcome(await ada.delete("/feeds/1")) == (204, "")
    clock.advance(601)
    await ada.ok("POST", "/auth/step-up", {"method": "recovery", "code": codes[0]})
    assert outcome(await ada.post("/auth/2fa/recovery-codes")) == (200, "")
    bob = await rig.register("bob")
    clock.advance(601)
    assert outcome(await bob.post("/auth/2fa/setup", {"method": "totp"})) == (200, ""), "who has no factor is not asked"
    assert outcome(await bob.post("/auth/step-up", {"method": "totp", "code": "000000"})) == (422, "2FA_NOT_ENABLED")


async def test_without_a_public_address_there_are_no_passkeys(chat: Rig) -> None:
    ada = await chat.register("ada")
    missing = (400, "WEBAUTHN_NOT_CONFIGURED")
    assert outcome(await ada.post("/auth/2fa/setup", {"method": "webauthn"})) == missing
    assert outcome(await ada.post("/auth/step-up/challenge")) == missing
    for path in ("/auth/login/webauthn/challenge", "/auth/login/webauthn"):
        body = dict.fromkeys(
            ("challenge_id", "client_data_json", "authenticator_data", "signature", "credential_id", "username"), "x"
        )
        assert outcome(await anonymous(chat, "POST", path, body)) in {missing, (401, "AUTH_FAILED")}


async def test_given_origins_are_taken_instead_of_the_public_address(database_url: str, tmp_path: Path) -> None:
    given = {"webauthn_rp_id": "example.com", "webauthn_origin": "https://app.example.com, https://old.example.com"}
    async with community(database_url, tmp_path, **given, **PUBLIC) as rig:
        ada = await rig.register("ada")
        device = await add_passkey(ada, Authenticator(origin="https://old.example.com"))
        device.origin = "https://app.example.com"
        assert outcome(await passkey_login(rig, **await answer(rig, device))) == (200, "")
        device.origin = "https://chat.example.com"
        assert outcome(await passkey_login(rig, **await answer(rig, device))) == FAILED
