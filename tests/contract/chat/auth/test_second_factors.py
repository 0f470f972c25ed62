"""One-time passwords, recovery codes and the tickets between the halves of a login, with the attacks on them."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.contract.chat.harness import PASSWORD, Person, Rig, community
from tests.contract.chat.helpers_factors import add_totp, as_person, code_now, finish, half_login
from tests.contract.chat.helpers_people import LateClock, anonymous, log_in, outcome
from vox.chat.database.schema import recovery_codes, totp_secrets
from vox.chat.identity.totp import from_text
from vox.errors import UsageError

WRONG = "000000"


@pytest.fixture
async def rig(database_url: str, tmp_path: Path) -> AsyncGenerator[Rig, None]:
    """A community whose date a test moves on."""
    async with community(database_url, tmp_path, clock=LateClock()) as rig:
        yield rig


@pytest.fixture
async def ada(rig: Rig) -> Person:
    return await rig.register("ada")


def later(rig: Rig, seconds: float) -> None:
    clock = rig.chat.clock
    assert isinstance(clock, LateClock)
    clock.advance(seconds)


async def test_one_time_passwords_from_set_up_to_removal(rig: Rig, ada: Person) -> None:
    nothing = {"totp_enabled": False, "webauthn_enabled": False, "recovery_codes_left": 0}
    assert await ada.ok("GET", "/auth/2fa") == nothing
    setup = await ada.ok("POST", "/auth/2fa/setup", {"method": "totp"})
    assert setup["setup_id"].startswith("setup_totp_")
    assert (setup["method"], setup["creation_options"]) == ("totp", None)
    assert setup["totp_uri"].startswith("otpauth://totp/Vox%3Aada?secret=" + setup["totp_secret"])
    assert await ada.ok("GET", "/auth/2fa") == nothing, "a set-up that was not confirmed asks for nothing"

    body = {"setup_id": setup["setup_id"], "code": code_now(rig, setup["totp_secret"])}
    confirmed = await ada.ok("POST", "/auth/2fa/setup/confirm", body)
    assert confirmed["success"] is True
    assert len(set(confirmed["recovery_codes"])) == 8
    assert await ada.ok("GET", "/auth/2fa") == {
        "totp_enabled": True, "webauthn_enabled": False, "recovery_codes_left": 8,
    }  # fmt: skip
    assert outcome(await ada.post("/auth/2fa/setup", {"method": "totp"})) == (409, "2FA_ALREADY_ENABLED")
    assert outcome(await ada.post("/auth/2fa/setup/confirm", body)) == (400, "2FA_SETUP_EXPIRED")

    error = await half_login(rig, "ada")
    assert error["mfa_ticket"].startswith("mfa_")
    assert error["available_methods"] == ["totp", "recovery"]
    code = code_now(rig, setup["totp_secret"], 1)
    second = as_person(rig, "ada", await finish(rig, error["mfa_ticket"], "totp", code=code))
    listed = (await second.ok("GET", "/auth/sessions"))["sessions"]
    assert [each["method"] for each in listed] == ["password+totp", "password"], "tickets are no logins"

    later(rig, 60)
    removal = {"method": "totp", "code": code_now(rig, setup["totp_secret"])}
    assert (await ada.call("DELETE", "/auth/2fa", json=removal)).json() == {"success": True}
    assert await ada.ok("GET", "/auth/2fa") == nothing
    assert outcome(await second.get("/server")) == (401, "AUTH_EXPIRED")
    assert outcome(await log_in(rig, "ada", PASSWORD)) == (200, "")


async def test_a_step_is_taken_once(rig: Rig, ada: Person) -> None:
    secret, _ = await add_totp(ada)
    used_by_set_up = await finish(rig, (await half_login(rig, "ada"))["mfa_ticket"], "totp", code=code_now(rig, secret))
    assert outcome(used_by_set_up) == (401, "2FA_INVALID_CODE")
    later(rig, 30)
    code = code_now(rig, secret)
    tickets = [(await half_login(rig, "ada"))["mfa_ticket"] for _ in range(4)]
    replies = await asyncio.gather(*(finish(rig, ticket, "totp", code=code) for ticket in tickets))
    assert sorted(map(outcome, replies)) == [(200, "")] + [(401, "2FA_INVALID_CODE")] * 3
    earlier = await finish(rig, (await half_login(rig, "ada"))["mfa_ticket"], "totp", code=code_now(rig, secret, -1))
    assert outcome(earlier) == (401, "2FA_INVALID_CODE")


async def test_a_clock_may_be_one_step_off_and_no_more(rig: Rig, ada: Person) -> None:
    secret, _ = await add_totp(ada)
    later(rig, 300)
    for steps, expected in ((-2, 401), (2, 401), (-1, 200), (1, 200)):
        ticket = (await half_login(rig, "ada"))["mfa_ticket"]
        assert (await finish(rig, ticket, "totp", code=code_now(rig, secret, steps))).status_code == expected, steps


async def test_five_wrong_codes_end_a_ticket(rig: Rig, ada: Person) -> None:
    secret, codes = await add_totp(ada)
    later(rig, 60)
    ticket = (await half_login(rig, "ada"))["mfa_ticket"]
    for method, code in (
        ("totp", WRONG),
        ("recovery", "AAAA-AAAA"),
        ("totp", "nonsense"),
        ("totp", WRONG),
        ("totp", WRONG),
    ):
        assert outcome(await finish(rig, ticket, method, code=code)) == (401, "2FA_INVALID_CODE")
    right = code_now(rig, secret)
    assert outcome(await finish(rig, ticket, "totp", code=right)) == (401, "2FA_INVALID_CODE")
    assert outcome(await finish(rig, ticket, "recovery", code=codes[0])) == (401, "2FA_INVALID_CODE")
    assert outcome(await finish(rig, (await half_login(rig, "ada"))["mfa_ticket"], "totp", code=right)) == (200, "")


async def test_many_wrong_codes_at_once_get_no_more_tries(rig: Rig, ada: Person) -> None:
    secret, _ = await add_totp(ada)
    later(rig, 60)
    ticket = (await half_login(rig, "ada"))["mfa_ticket"]
    wrong = [finish(rig, ticket, "totp", code=f"{number:06}") for number in range(1_000_000, 1_000_012)]
    refused = [outcome(reply) for reply in await asyncio.gather(*wrong)]
    assert {status for status, _ in refused} == {401}
    assert (await finish(rig, ticket, "totp", code=code_now(rig, secret))).status_code == 401


NO_SECOND_HALF: list[tuple[dict[str, Any], tuple[int, str]]] = [
    ({"method": "totp"}, (400, "2FA_INVALID_CODE")),
    ({"method": "webauthn", "code": WRONG}, (400, "2FA_INVALID_CODE")),
    ({"method": "sms", "code": WRONG}, (400, "2FA_INVALID_CODE")),
    ({"method": "totp", "code": "1" * 33}, (422, "VALIDATION_ERROR")),
    ({"method": "totp", "code": WRONG, "mfa_ticket": "mfa_unknown"}, (401, "2FA_INVALID_CODE")),
    ({"method": "totp", "code": WRONG, "mfa_ticket": "m" * 257}, (422, "VALIDATION_ERROR")),
    ({"method": "webauthn", "assertion": {}}, (401, "2FA_INVALID_CODE")),
    ({"method": "webauthn", "assertion": {"challenge_id": 5}}, (401, "2FA_INVALID_CODE")),
]


async def test_what_does_not_finish_a_login(rig: Rig, ada: Person) -> None:
    await add_totp(ada)
    for body, expected in NO_SECOND_HALF:
        ticket = (await half_login(rig, "ada"))["mfa_ticket"]
        reply = await anonymous(rig, "POST", "/auth/login/2fa", {"mfa_ticket": ticket, **body})
        assert outcome(reply) == expected, body


async def test_a_recovery_code_works_once_and_is_stored_as_a_hash(rig: Rig, ada: Person) -> None:
    secret, codes = await add_totp(ada)
    stored = await rig.chat.read(lambda c: list(c.execute(select(recovery_codes.c.code_hash)).scalars()))
    assert len(stored) == 8
    assert all(each.startswith("$argon2id$") for each in stored)
    typed = codes[0].replace("-", " ").lower()
    tickets = [(await half_login(rig, "ada"))["mfa_ticket"] for _ in range(3)]
    replies = await asyncio.gather(*(finish(rig, ticket, "recovery", code=typed) for ticket in tickets))
    assert sorted(map(outcome, replies)) == [(200, ""), (401, "2FA_INVALID_CODE"), (401, "2FA_INVALID_CODE")]
    assert (await ada.ok("GET", "/auth/2fa"))["recovery_codes_left"] == 7
    for code in codes[1:]:
        assert outcome(await finish(rig, (await half_login(rig, "ada"))["mfa_ticket"], "recovery", code=code)) == (
            200,
            "",
        )
    error = await half_login(rig, "ada")
    assert error["available_methods"] == ["totp"]
    assert outcome(await finish(rig, error["mfa_ticket"], "recovery", code=codes[0])) == (422, "2FA_RECOVERY_EXHAUSTED")
    assert secret


async def test_new_recovery_codes_void_the_old_ones(rig: Rig, ada: Person) -> None:
    assert outcome(await ada.post("/auth/2fa/recovery-codes")) == (422, "2FA_NOT_ENABLED")
    _, old = await add_totp(ada)
    new = (await ada.ok("POST", "/auth/2fa/recovery-codes"))["recovery_codes"]
    assert len(set(new) | set(old)) == 16
    ticket = (await half_login(rig, "ada"))["mfa_ticket"]
    assert outcome(await finish(rig, ticket, "recovery", code=old[0])) == (401, "2FA_INVALID_CODE")
    assert outcome(await finish(rig, ticket, "recovery", code=new[0])) == (200, "")


async def test_a_recovery_code_proves_who_removes_a_factor(rig: Rig, ada: Person) -> None:
    assert outcome(await ada.delete("/auth/2fa", {"method": "totp", "code": WRONG})) == (422, "2FA_NOT_ENABLED")
    assert outcome(await ada.delete("/auth/2fa", {"method": "sms", "code": WRONG})) == (400, "INVALID_METHOD")
    assert outcome(await ada.delete("/auth/2fa")) == (422, "VALIDATION_ERROR")
    _, codes = await add_totp(ada)
    assert outcome(await ada.delete("/auth/2fa", {"method": "totp"})) == (400, "2FA_INVALID_CODE")
    assert outcome(await ada.delete("/auth/2fa", {"method": "totp", "code": WRONG})) == (401, "2FA_INVALID_CODE")
    assert outcome(await ada.delete("/auth/2fa", {"method": "totp", "code": "ZZZZ-ZZZZ"})) == (401, "2FA_INVALID_CODE")
    assert (await ada.call("DELETE", "/auth/2fa", json={"method": "totp", "code": codes[3]})).json() == {
        "success": True
    }
    assert (await ada.ok("GET", "/auth/2fa"))["recovery_codes_left"] == 0


async def test_tickets_expire(rig: Rig, ada: Person) -> None:
    setup = await ada.ok("POST", "/auth/2fa/setup", {"method": "totp"})
    later(rig, 601)
    body = {"setup_id": setup["setup_id"], "code": code_now(rig, setup["totp_secret"])}
    assert outcome(await ada.post("/auth/2fa/setup/confirm", body)) == (401, "2FA_SETUP_EXPIRED")
    secret, _ = await add_totp(ada)
    ticket = (await half_login(rig, "ada"))["mfa_ticket"]
    later(rig, 301)
    assert outcome(await finish(rig, ticket, "totp", code=code_now(rig, secret))) == (401, "2FA_INVALID_CODE")


async def test_no_other_endpoint_takes_a_ticket(rig: Rig, ada: Person) -> None:
    setup = (await ada.ok("POST", "/auth/2fa/setup", {"method": "totp"}))["setup_id"]
    secret, _ = await add_totp(ada)
    mfa = (await half_login(rig, "ada"))["mfa_ticket"]
    reset = (await ada.ok("POST", "/admin/password-reset", {"target_user_id": ada.user_id}))["reset_token"]
    for ticket in (mfa, setup, reset):
        headers = {"authorization": f"Bearer {ticket}"}
        for path in ("/server", "/auth/sessions", "/auth/2fa"):
            assert outcome(await rig.http.get(f"/api/v1{path}", headers=headers)) == (401, "AUTH_FAILED")
        join = await rig.http.post("/api/v1/members/join", headers=headers, json={"invite_code": "x"})
        assert outcome(join) == (401, "AUTH_FAILED")
        async with rig.socket() as socket:
            await socket.expect("hello")
            await socket.send("identify", {"token": ticket})
            assert await socket.closed() == 4004
        assert (await finish(rig, ticket, "totp", code=WRONG)).status_code == 401
        confirmed = await ada.post("/auth/2fa/setup/confirm", {"setup_id": ticket, "code": code_now(rig, secret)})
        assert outcome(confirmed) == (400, "2FA_SETUP_EXPIRED")
        if ticket != reset:
            chosen = {"reset_token": ticket, "new_password": "another password"}
            assert outcome(await anonymous(rig, "POST", "/auth/password/reset", chosen)) == (401, "AUTH_FAILED")
    assert (await finish(rig, ada.token, "totp", code=WRONG)).status_code == 401, "nor is a login a ticket"


async def test_the_set_up_of_someone_else_or_of_another_login_is_not_confirmed(rig: Rig, ada: Person) -> None:
    bob = await rig.register("bob")
    other = as_person(rig, "ada", await log_in(rig, "ada", PASSWORD))
    setup = await ada.ok("POST", "/auth/2fa/setup", {"method": "totp"})
    body = {"setup_id": setup["setup_id"], "code": code_now(rig, setup["totp_secret"])}
    for person in (bob, other):
        assert outcome(await person.post("/auth/2fa/setup/confirm", body)) == (403, "FORBIDDEN")
    rewritten = {**body, "setup_id": setup["setup_id"].replace("totp", "webauthn")}
    assert outcome(await ada.post("/auth/2fa/setup/confirm", rewritten)) == (400, "2FA_SETUP_EXPIRED")
    assert outcome(await ada.post("/auth/2fa/setup/confirm", {"setup_id": "nonsense"})) == (400, "2FA_SETUP_EXPIRED")
    assert outcome(await ada.post("/auth/2fa/setup/confirm", {**body, "code": ""})) == (400, "2FA_INVALID_CODE")
    assert outcome(await ada.post("/auth/2fa/setup", {"method": "sms"})) == (400, "INVALID_METHOD")
    for _ in range(5):
        assert outcome(await ada.post("/auth/2fa/setup/confirm", {**body, "code": WRONG})) == (401, "2FA_INVALID_CODE")
    assert outcome(await ada.post("/auth/2fa/setup/confirm", body)) == (400, "2FA_SETUP_EXPIRED")


async def test_a_new_password_ends_logins_that_are_half_way(rig: Rig, ada: Person) -> None:
    secret, _ = await add_totp(ada)
    later(rig, 60)
    ticket = (await half_login(rig, "ada"))["mfa_ticket"]
    change = {"current_password": PASSWORD, "new_password": "another password"}
    await ada.ok("POST", "/auth/password", change)
    assert outcome(await finish(rig, ticket, "totp", code=code_now(rig, secret))) == (401, "2FA_INVALID_CODE")


async def test_who_was_kicked_rejoins_with_both_halves_and_an_invite_and_a_banned_one_does_not(
    rig: Rig, ada: Person
) -> None:
    bob = await rig.register("bob")
    secret, _ = await add_totp(bob)
    invite = (await ada.ok("POST", "/invites", {}))["code"]
    later(rig, 60)
    ticket = (await half_login(rig, "bob"))["mfa_ticket"]
    await ada.ok("DELETE", f"/members/{bob.user_id}")
    code = code_now(rig, secret)
    assert outcome(await finish(rig, ticket, "totp", code=code)) == (403, "KICKED")
    assert outcome(await log_in(rig, "bob", PASSWORD)) == (403, "KICKED")
    wrong = await finish(rig, ticket, "totp", code=WRONG, invite_code=invite)
    assert outcome(wrong) == (401, "2FA_INVALID_CODE")
    assert (await ada.ok("GET", "/invites"))["items"][0]["uses"] == 0
    assert outcome(await finish(rig, ticket, "totp", code=code, invite_code=invite)) == (200, "")
    later(rig, 60)
    ticket = (await half_login(rig, "bob"))["mfa_ticket"]
    await ada.ok("PUT", f"/bans/{bob.user_id}", {})
    banned = await finish(rig, ticket, "totp", code=code_now(rig, secret), invite_code=invite)
    assert outcome(banned) == (403, "BANNED")


async def test_the_database_alone_does_not_tell_a_secret(rig: Rig, ada: Person, tmp_path: Path) -> None:
    secret, _ = await add_totp(ada)
    stored = await rig.chat.read(lambda c: c.execute(select(totp_secrets.c.secret)).scalar_one())
    assert secret not in stored
    assert from_text(secret).hex() not in stored
    assert (tmp_path / "vox.key").stat().st_mode & 0o777 == 0o600


async def test_the_secret_of_an_original_in_clear_still_logs_in(rig: Rig, ada: Person) -> None:
    secret, _ = await add_totp(ada)
    later(rig, 60)
    await rig.chat.database.write(lambda c: c.execute(update(totp_secrets).values(secret=secret)).rowcount)
    ticket = (await half_login(rig, "ada"))["mfa_ticket"]
    assert outcome(await finish(rig, ticket, "totp", code=code_now(rig, secret))) == (200, "")


async def test_another_key_is_refused_at_the_start(database_url: str, tmp_path: Path) -> None:
    keys = ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
    async with community(database_url, tmp_path, secrets_key=keys[0]) as rig:
        await add_totp(await rig.register("ada"))
    others: list[dict[str, Any]] = [{"secrets_key": keys[1]}, {"secrets_key_file": str(tmp_path / "missing")}]
    for more in others:
        with pytest.raises(UsageError) as caught:
            async with community(database_url, tmp_path, **more):
                pass
        assert caught.value.code == "encryption_key_wrong"
    async with community(database_url, tmp_path, secrets_key=keys[0]) as rig:
        assert (await half_login(rig, "ada"))["available_methods"] == ["totp", "recovery"]
