"""Members who are locked out: second factors removed by administrators, and links to choose a password."""

import asyncio
from pathlib import Path

from tests.contract.chat.harness import PASSWORD, Rig, community
from tests.contract.chat.helpers_factors import PUBLIC, add_passkey, add_totp, code_now, finish, half_login
from tests.contract.chat.helpers_people import LateClock, anonymous, audited, give_role, log_in, outcome
from vox.chat.events.permissions import P
from vox.chat.identity.admin_bootstrap import create_administrator

NEW = "a new password"


async def test_an_administrator_removes_the_factors_of_a_member_who_lost_them(
    database_url: str, tmp_path: Path
) -> None:
    async with community(database_url, tmp_path, clock=LateClock(), **PUBLIC) as rig:
        ada, bob = await rig.register("ada"), await rig.register("bob")
        secret, codes = await add_totp(bob)
        await add_passkey(bob)
        ticket = (await half_login(rig, "bob"))["mfa_ticket"]
        body = {"target_user_id": bob.user_id, "reason": "lost the phone"}
        assert outcome(await ada.post("/admin/2fa-reset", body)) == (204, "")
        assert await bob.ok("GET", "/auth/2fa") == {
            "totp_enabled": False, "webauthn_enabled": False, "recovery_codes_left": 0,
        }  # fmt: skip
        assert outcome(await finish(rig, ticket, "recovery", code=codes[0])) == (401, "2FA_INVALID_CODE")
        assert outcome(await finish(rig, ticket, "totp", code=code_now(rig, secret, 1))) == (401, "2FA_INVALID_CODE")
        assert outcome(await log_in(rig, "bob", PASSWORD)) == (200, "")
        (entry,) = await audited(ada, "2fa.admin_reset")
        assert (entry["actor_id"], entry["target_id"], entry["metadata"]) == (1, 2, {"reason": "lost the phone"})
        assert outcome(await ada.post("/admin/2fa-reset", {"target_user_id": 99})) == (404, "USER_NOT_FOUND")
        long = {"target_user_id": bob.user_id, "reason": "x" * 257}
        assert outcome(await ada.post("/admin/2fa-reset", long)) == (422, "VALIDATION_ERROR")


async def test_a_moderator_resets_members_below_and_hands_out_no_links(chat: Rig) -> None:
    ada, mod, peer, bob = [await chat.register(name) for name in ("ada", "mod", "peer", "bob")]
    await give_role(ada, mod, P.MANAGE_2FA, 5)
    await give_role(ada, peer, P.MANAGE_2FA, 5, "same rank")
    for target, expected in (
        (bob, (204, "")),
        (peer, (403, "ROLE_HIERARCHY")),
        (ada, (403, "ROLE_HIERARCHY")),
    ):
        assert outcome(await mod.post("/admin/2fa-reset", {"target_user_id": target.user_id})) == expected, target.name
    assert outcome(await bob.post("/admin/2fa-reset", {"target_user_id": 1})) == (403, "MISSING_PERMISSIONS")
    link = await mod.post("/admin/password-reset", {"target_user_id": bob.user_id})
    assert outcome(link) == (403, "MISSING_PERMISSIONS")


async def test_a_link_lets_its_owner_choose_a_password_once(database_url: str, tmp_path: Path) -> None:
    async with community(database_url, tmp_path, clock=LateClock(), **PUBLIC) as rig:
        ada, bob = await rig.register("ada"), await rig.register("bob")
        body = {"target_user_id": bob.user_id, "reason": "forgot it"}
        void = (await ada.ok("POST", "/admin/password-reset", body))["reset_token"]
        link = await ada.ok("POST", "/admin/password-reset", body)
        assert link["reset_url"] == f"https://chat.example.com/#/reset/{link['reset_token']}"
        assert outcome(await log_in(rig, "bob", PASSWORD)) == (200, ""), "a link that is not used changes nothing"

        async def choose(token: str, password: str = NEW) -> tuple[int, str]:
            chosen = {"reset_token": token, "new_password": password}
            return outcome(await anonymous(rig, "POST", "/auth/password/reset", chosen))

        assert await choose(link["reset_token"], "short") == (422, "VALIDATION_ERROR")
        for token in (void, "reset_unknown", "nonsense", bob.token):
            assert await choose(token) == (401, "AUTH_FAILED")
        async with bob.gateway() as socket:
            tried = await asyncio.gather(*(choose(link["reset_token"]) for _ in range(3)))
            assert sorted(tried) == [(204, ""), (401, "AUTH_FAILED"), (401, "AUTH_FAILED")]
            assert await socket.closed() == 4004
        assert outcome(await bob.get("/server")) == (401, "AUTH_EXPIRED")
        assert outcome(await log_in(rig, "bob", PASSWORD)) == (401, "AUTH_FAILED")
        assert outcome(await log_in(rig, "bob", "a new password")) == (200, "")
        assert [entry["target_id"] for entry in await audited(ada, "password.admin_reset")] == [2, 2]
        late = (await ada.ok("POST", "/admin/password-reset", body))["reset_token"]
        clock = rig.chat.clock
        assert isinstance(clock, LateClock)
        clock.advance(86_401)
        assert await choose(late) == (401, "AUTH_FAILED")


async def test_a_new_password_does_not_remove_the_second_factor(chat: Rig) -> None:
    ada, bob = await chat.register("ada"), await chat.register("bob")
    await add_totp(bob)
    link = await ada.ok("POST", "/admin/password-reset", {"target_user_id": bob.user_id})
    assert link["reset_url"] is None
    chosen = {"reset_token": link["reset_token"], "new_password": "a new password"}
    assert outcome(await anonymous(chat, "POST", "/auth/password/reset", chosen)) == (204, "")
    assert outcome(await log_in(chat, "bob", "a new password")) == (401, "2FA_REQUIRED")


async def test_the_command_on_the_machine_lets_the_only_administrator_in_again(chat: Rig) -> None:
    await add_totp(await chat.register("ada"))
    said = await asyncio.to_thread(create_administrator, chat.chat.settings, "ada", "a new password")
    assert said.endswith("Its second factors are removed.")
    assert outcome(await log_in(chat, "ada", "a new password")) == (200, "")


async def test_all_other_logins_end_at_once(chat: Rig) -> None:
    ada = await chat.register("ada")
    others = [(await log_in(chat, "ada", PASSWORD)).json()["token"] for _ in range(2)]
    assert outcome(await ada.delete("/auth/sessions")) == (204, "")
    for token in others:
        reply = await chat.http.get("/api/v1/server", headers={"authorization": f"Bearer {token}"})
        assert outcome(reply) == (401, "AUTH_EXPIRED")
    assert len((await ada.ok("GET", "/auth/sessions"))["sessions"]) == 1
