"""Registering, logging in and out, sessions and passwords."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.contract.chat.harness import API, PASSWORD, Rig, community
from tests.contract.chat.helpers_people import LateClock, anonymous, log_in, outcome
from tests.fakes.clock import FakeClock
from vox.chat.database.schema import event_log, sessions, totp_secrets, users
from vox.chat.database.unit_of_work import Change
from vox.chat.features.auth import queries as auth
from vox.chat.features.retention import delete_expired
from vox.chat.identity.admin_bootstrap import create_administrator, issue_setup_token
from vox.chat.replication import version_poll
from vox.security.passwords import Verdict
from vox.security.tokens import digest


async def test_the_first_to_register_gets_the_role_admin_and_the_second_does_not(chat: Rig):
    ada = await chat.register("ada")
    bob = await chat.register("bob")
    assert (ada.user_id, bob.user_id) == (1, 2)
    assert ada.token.startswith("vox_sess_")
    roles = (await bob.ok("GET", "/roles"))["items"]
    assert [(role["role_id"], role["name"], role["position"]) for role in roles] == [
        (1, "@everyone", 0),
        (2, "Admin", 1),
    ]
    assert roles[0]["permissions"] == 6443107135
    assert (await bob.ok("GET", "/members/1"))["role_ids"] == [2]
    assert (await bob.ok("GET", "/members/2"))["role_ids"] == []


async def test_two_first_registrations_at_once_give_one_administrator(chat: Rig):
    people = await asyncio.gather(chat.register("ada"), chat.register("bob"), chat.register("eve"))
    admins = [person for person in people if (await person.get("/server/limits")).status_code == 200]
    assert len(admins) == 1
    assert len((await people[0].ok("GET", "/roles"))["items"]) == 2


async def test_the_same_name_twice_at_once_gives_one_account(chat: Rig):
    body = {"username": "ada", "password": PASSWORD}
    replies = await asyncio.gather(*(anonymous(chat, "POST", "/auth/register", body) for _ in range(4)))
    assert sorted(outcome(reply) for reply in replies) == [(201, ""), *[(409, "AUTH_FAILED")] * 3]


async def test_display_name_defaults_to_the_name(chat: Rig):
    await chat.register("ada")
    reply = await anonymous(
        chat, "POST", "/auth/register", {"username": "eve", "password": PASSWORD, "display_name": "Eve E."}
    )
    assert reply.status_code == 201
    ada = await log_in(chat, "ada", PASSWORD)
    assert ada.json()["display_name"] == "ada"
    assert (await log_in(chat, "eve", PASSWORD)).json()["display_name"] == "Eve E."


@pytest.mark.parametrize(
    "body",
    [
        {"username": "", "password": PASSWORD},
        {"username": "a" * 33, "password": PASSWORD},
        {"username": "ada", "password": "short"},
        {"username": "ada", "password": "a" * 129},
        {"username": "ada", "password": PASSWORD, "display_name": "a" * 65},
        {"username": "a\0da", "password": PASSWORD},
        {"username": "   ", "password": PASSWORD},
        {"username": "a\u202eda", "password": PASSWORD},
        {"username": ["ada"], "password": PASSWORD},
        {"username": {"$gt": ""}, "password": PASSWORD},
        {"username": "ada"},
        {"password": PASSWORD},
        [],
    ],
)
async def test_a_registration_that_is_not_well_formed_is_refused(chat: Rig, body: Any):
    assert outcome(await anonymous(chat, "POST", "/auth/register", body)) == (422, "VALIDATION_ERROR")


async def test_a_login_answers_token_and_roles_without_everyone(chat: Rig):
    await chat.register("ada")
    reply = await log_in(chat, "ada", PASSWORD)
    body = reply.json()
    assert reply.status_code == 200
    assert body == {"token": body["token"], "user_id": 1, "display_name": "ada", "roles": [2]}
    assert reply.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("a\0da", PASSWORD), ("ada", "x" * 5000)]
)
async def test_a_wrong_name_and_a_wrong_password_look_the_same(chat: Rig, name: str, password: str):
    await chat.register("ada")
    reply = await log_in(chat, name, password)
    assert outcome(reply) == (401, "AUTH_FAILED")
    assert reply.json()["error"]["message"] == "Username or password is wrong."


async def test_logging_out_ends_only_the_login_of_the_token(chat: Rig):
    ada = await chat.register("ada")
    other = (await log_in(chat, "ada", PASSWORD)).json()["token"]
    assert outcome(await ada.post("/auth/logout")) == (204, "")
    assert outcome(await ada.get("/server")) == (401, "AUTH_EXPIRED")
    ada.token = other
    assert outcome(await ada.get("/server")) == (200, "")


async def test_sessions_are_listed_newest_first_without_tickets(chat: Rig):
    ada = await chat.register("ada")
    await log_in(chat, "ada", PASSWORD)
    now_s = chat.chat.clock.unix_s()
    ticket = {"token": digest("mfa_x"), "user_id": 1, "created_at": now_s, "expires_at": now_s + 300, "kind": "mfa"}
    await chat.chat.change(lambda c: Change(c.execute(insert(sessions).values(ticket)).rowcount))
    found = (await ada.ok("GET", "/auth/sessions"))["sessions"]
    assert len(found) == 2
    assert found[0]["session_id"] > found[1]["session_id"]
    assert [session["is_current"] for session in found] == [False, True]
    assert found[0]["expires_at"] - found[0]["created_at"] == 30 * 86_400
    assert found[1]["client"].startswith("python-httpx")


async def test_a_session_is_revoked_by_its_owner_only(chat: Rig):
    ada, bob = await chat.register("ada"), await chat.register("bob")
    own = (await bob.ok("GET", "/auth/sessions"))["sessions"][0]["session_id"]
    assert outcome(await ada.delete(f"/auth/sessions/{own}")) == (404, "SESSION_NOT_FOUND")
    assert outcome(await bob.get("/server")) == (200, "")
    assert outcome(await bob.delete(f"/auth/sessions/{own}")) == (204, "")
    assert outcome(await bob.get("/server")) == (401, "AUTH_EXPIRED")
    assert outcome(await ada.delete("/auth/sessions/999")) == (404, "SESSION_NOT_FOUND")
    assert outcome(await ada.delete("/auth/sessions/x")) == (422, "VALIDATION_ERROR")


async def test_a_changed_password_ends_all_other_logins(chat: Rig):
    ada = await chat.register("ada")
    other = (await log_in(chat, "ada", PASSWORD)).json()["token"]
    change = {"current_password": PASSWORD, "new_password": "a better password"}
    assert outcome(await ada.post("/auth/password", change)) == (204, "")
    assert outcome(await ada.get("/server")) == (200, "")
    ada.token = other
    assert outcome(await ada.get("/server")) == (401, "AUTH_EXPIRED")
    assert outcome(await log_in(chat, "ada", PASSWORD)) == (401, "AUTH_FAILED")
    assert outcome(await log_in(chat, "ada", "a better password")) == (200, "")


async def test_a_password_is_changed_only_by_who_knows_it(chat: Rig):
    ada = await chat.register("ada")
    wrong = {"current_password": "wrong", "new_password": "a better password"}
    assert outcome(await ada.post("/auth/password", wrong)) == (401, "AUTH_FAILED")
    short = {"current_password": PASSWORD, "new_password": "short"}
    assert outcome(await ada.post("/auth/password", short)) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("how", ["logout", "revoke", "password"])
async def test_sockets_of_an_ended_login_close(chat: Rig, how: str):
    ada = await chat.register("ada")
    second = await log_in(chat, "ada", PASSWORD)
    first_token, ada.token = ada.token, second.json()["token"]
    async with ada.gateway() as socket:
        if how == "logout":
            await ada.post("/auth/logout")
        elif how == "revoke":
            session = (await ada.ok("GET", "/auth/sessions"))["sessions"][0]["session_id"]
            await ada.delete(f"/auth/sessions/{session}")
        else:
            ada.token = first_token
            await ada.ok("POST", "/auth/password", {"current_password": PASSWORD, "new_password": "another password"})
        assert await socket.closed() == 4004


async def test_the_database_has_neither_token_nor_password(chat: Rig):
    ada = await chat.register("ada")
    stored, hashed = await chat.chat.read(
        lambda c: (
            c.execute(select(sessions.c.token)).scalar_one(),
            c.execute(select(users.c.password_hash)).scalar_one(),
        )
    )
    assert stored == digest(ada.token)
    assert hashed.startswith("$argon2id$")


async def test_an_old_hash_is_renewed_at_login(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path, password_memory_kib=128) as old:
        await old.register("ada")
    async with community(database_url, tmp_path) as rig:
        assert (await log_in(rig, "ada", PASSWORD)).status_code == 200
        stored = await rig.chat.read(lambda c: c.execute(select(users.c.password_hash)).scalar_one())
        assert "m=64," in stored
        assert (await log_in(rig, "ada", PASSWORD)).status_code == 200


async def test_too_many_logins_at_once_are_told_to_come_back(database_url: str, tmp_path: Path):
    options: dict[str, Any] = {"password_threads": 1, "password_waiting": 0, "password_memory_kib": 8192}
    async with community(database_url, tmp_path, **options) as rig:
        await rig.register("ada")
        replies = await asyncio.gather(*(log_in(rig, "ada", PASSWORD) for _ in range(6)))
        statuses = [reply.status_code for reply in replies]
        assert set(statuses) == {200, 503}
        refused = replies[statuses.index(503)]
        assert refused.json()["error"]["code"] == "UNAVAILABLE"
        assert int(refused.headers["retry-after"]) >= 1


async def test_who_has_a_second_factor_is_not_let_in_by_the_password_alone(chat: Rig):
    ada = await chat.register("ada")
    row = {"user_id": ada.user_id, "secret": "X", "enabled": True}
    await chat.chat.change(lambda c: Change(c.execute(insert(totp_secrets).values(row)).rowcount))
    assert outcome(await log_in(chat, "ada", PASSWORD)) == (401, "2FA_REQUIRED")


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, (422, "VALIDATION_ERROR")),
        ("Basic abc", (401, "AUTH_FAILED")),
        ("Bearer mfa_abc", (401, "AUTH_FAILED")),
        ("Bearer setup_totp_abc", (401, "AUTH_FAILED")),
        ("Bearer setup_webauthn_abc", (401, "AUTH_FAILED")),
        ("Bearer fed_abc", (401, "AUTH_FAILED")),
        ("Bearer vox_sess_unknown", (401, "AUTH_EXPIRED")),
        ("Bot vox_sess_unknown", (401, "AUTH_EXPIRED")),
    ],
)
async def test_what_does_not_log_in(chat: Rig, authorization: str | None, expected: tuple[int, str]):
    headers = {} if authorization is None else {"authorization": authorization}
    assert outcome(await chat.http.get("/api/v1/server", headers=headers)) == expected


async def test_a_bot_token_is_a_token(chat: Rig):
    ada = await chat.register("ada")
    reply = await chat.http.get("/api/v1/server", headers={"authorization": f"Bot {ada.token}"})
    assert reply.status_code == 200


async def test_closed_registration_lets_nobody_in_by_any_path(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path) as rig:
        ada = await rig.register("ada")
        code = (await ada.ok("POST", "/invites", {}))["code"]
    async with community(database_url, tmp_path, registration="closed") as rig:
        for more in ({}, {"invite_code": code}, {"setup_token": "vox_setup_x"}, {"setup_token": ""}):
            body = {"username": "eve", "password": PASSWORD, **more}
            status, error = outcome(await anonymous(rig, "POST", "/auth/register", body))
            assert (status, error) in {(403, "FORBIDDEN"), (401, "AUTH_FAILED")}
        assert outcome(await anonymous(rig, "POST", "/members/join", {"invite_code": code})) == (
            422,
            "VALIDATION_ERROR",
        )
        assert (await log_in(rig, "eve", PASSWORD)).status_code == 401
        assert (await log_in(rig, "ada", PASSWORD)).status_code == 200


async def test_by_invite_each_invite_lets_in_as_many_as_it_says(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path) as rig:
        ada = await rig.register("ada")
        code = (await ada.ok("POST", "/invites", {"max_uses": 1}))["code"]
    async with community(database_url, tmp_path, registration="invite") as rig:

        async def register(name: str, **more: Any) -> tuple[int, str]:
            body = {"username": name, "password": PASSWORD, **more}
            return outcome(await anonymous(rig, "POST", "/auth/register", body))

        assert await register("eve") == (422, "INVITE_INVALID")
        assert await register("eve", invite_code="nonsense") == (422, "INVITE_INVALID")
        found = await asyncio.gather(*(register(name, invite_code=code) for name in ("bob", "cyd", "dan")))
        assert sorted(found) == [(201, ""), (422, "INVITE_INVALID"), (422, "INVITE_INVALID")]


async def test_where_registration_is_not_open_the_first_account_is_no_administrator(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path, registration="closed") as rig:
        token = await rig.chat.database.write(issue_setup_token)
        assert token is not None
        refused = {"username": "eve", "password": PASSWORD, "setup_token": token[:-1]}
        assert outcome(await anonymous(rig, "POST", "/auth/register", refused)) == (401, "AUTH_FAILED")
        body = {"username": "ada", "password": PASSWORD, "setup_token": token}
        replies = await asyncio.gather(
            *(anonymous(rig, "POST", "/auth/register", body | {"username": name}) for name in ("ada", "eve", "bob"))
        )
        assert sorted(outcome(reply) for reply in replies) == [(201, ""), (401, "AUTH_FAILED"), (401, "AUTH_FAILED")]
        winner = next(reply for reply in replies if reply.is_success).json()
        limits = await rig.http.get("/api/v1/server/limits", headers={"authorization": f"Bearer {winner['token']}"})
        assert limits.status_code == 200
        assert await rig.chat.database.write(issue_setup_token) is None


async def test_a_new_start_voids_the_set_up_token_of_the_one_before(chat: Rig):
    first = await chat.chat.database.write(issue_setup_token)
    second = await chat.chat.database.write(issue_setup_token)
    assert first != second
    for token, expected in ((first, (401, "AUTH_FAILED")), (second, (201, ""))):
        body = {"username": "ada", "password": PASSWORD, "setup_token": token}
        assert outcome(await anonymous(chat, "POST", "/auth/register", body)) == expected


async def test_the_command_makes_an_administrator_with_whom_one_can_log_in(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path, registration="closed") as rig:
        settings = rig.chat.settings
        said = await asyncio.to_thread(create_administrator, settings, "root", "a long password")
        assert said == "root is administrator, with the user id 1."
    async with community(database_url, tmp_path, registration="closed") as rig:
        token = (await log_in(rig, "root", "a long password")).json()["token"]
        reply = await rig.http.get("/api/v1/server/limits", headers={"authorization": f"Bearer {token}"})
        assert reply.status_code == 200


async def test_the_command_makes_an_existing_account_administrator(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path) as rig:
        ada, bob = await rig.register("ada"), await rig.register("bob")
        await ada.ok("DELETE", f"/members/{bob.user_id}")
        await asyncio.to_thread(create_administrator, rig.chat.settings, "bob", "a long password")
    async with community(database_url, tmp_path) as rig:
        reply = await log_in(rig, "bob", "a long password")
        assert reply.json()["roles"] == [2]


async def test_a_server_that_runs_notices_the_administrator_that_the_command_made(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(version_poll, "EVERY_S", 0.01)
    async with community(database_url, tmp_path, registration="closed") as rig:
        await asyncio.to_thread(create_administrator, rig.chat.settings, "root", "a long password")
        reply = await log_in(rig, "root", "a long password")
        assert outcome(reply) == (200, "")
        headers = {"authorization": f"Bearer {reply.json()['token']}"}
        assert (await rig.http.get("/api/v1/server/limits", headers=headers)).status_code == 200

        await asyncio.to_thread(create_administrator, rig.chat.settings, "root", "another password")
        rig.chat.logins.forget_all()  # what half a minute does
        assert (await rig.http.get("/api/v1/server", headers=headers)).status_code == 401


async def test_a_login_slides_while_it_is_used_and_expires_when_it_is_not(database_url: str, tmp_path: Path):
    clock = FakeClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        ada = await rig.register("ada")
        for _ in range(4):
            clock.advance(20 * 86_400)
            assert outcome(await ada.get("/server")) == (200, "")
        clock.advance(31 * 86_400)
        assert outcome(await ada.get("/server")) == (401, "AUTH_EXPIRED")


async def test_the_sweep_removes_expired_logins_and_events_that_sync_no_longer_reaches(
    database_url: str, tmp_path: Path
):
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        ada = await rig.register("ada")
        await log_in(rig, "ada", PASSWORD)
        clock.advance(8 * 86_400)
        await ada.ok("PATCH", "/server", {"name": "New"})
        await rig.chat.database.write(
            lambda c: c.execute(update(sessions).where(sessions.c.id == 2).values(expires_at=1)).rowcount
        )
        removed = await rig.chat.database.write(lambda c: delete_expired(c, clock.wall()))
        left = await rig.chat.read(lambda c: list(c.execute(select(event_log.c.event_type)).scalars()))
        assert left == ["server_update"]
        assert removed == 1 + 1, "one login, and a member of eight days ago; the founding's roles were never kept"
        assert outcome(await ada.get("/server")) == (200, "")


async def test_the_old_password_lets_nobody_in_who_came_just_before_the_change(
    chat: Rig, monkeypatch: pytest.MonkeyPatch
):
    alice = await chat.register("alice")
    passwords = chat.chat.logins.passwords
    real = passwords.check

    async def check(password: str, stored: str | None) -> Verdict:
        """The first check takes as long as a change of the password."""
        monkeypatch.setattr(passwords, "check", real)
        verdict = await real(password, stored)
        await alice.ok("POST", "/auth/password", {"current_password": PASSWORD, "new_password": "another password"})
        return verdict

    monkeypatch.setattr(passwords, "check", check)
    reply = await chat.http.post(f"{API}/auth/login", json={"username": "alice", "password": PASSWORD})
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "AUTH_FAILED")
    assert len((await alice.ok("GET", "/auth/sessions"))["sessions"]) == 1


async def test_a_hash_that_another_login_renews_meanwhile_refuses_nobody(chat: Rig, monkeypatch: pytest.MonkeyPatch):
    alice = await chat.register("alice")
    passwords = chat.chat.logins.passwords
    real = passwords.check

    async def check(password: str, stored: str | None) -> Verdict:
        monkeypatch.setattr(passwords, "check", real)
        verdict = await real(password, stored)
        renewed = await passwords.hash(PASSWORD)
        await chat.chat.database.write(
            lambda connection: (
                connection.execute(
                    update(users).where(users.c.id == alice.user_id).values(password_hash=renewed)
                ).rowcount
            )
        )
        return verdict

    monkeypatch.setattr(passwords, "check", check)
    reply = await chat.http.post(f"{API}/auth/login", json={"username": "alice", "password": PASSWORD})
    assert reply.status_code == 200


async def test_whoever_has_too_many_logins_loses_the_oldest(chat: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(auth, "MOST_SESSIONS", 3)
    ada = await chat.register("ada")
    async with ada.gateway() as socket:
        tokens = [(await log_in(chat, "ada", PASSWORD)).json()["token"] for _ in range(2)]
        await socket.events()
        tokens.append((await log_in(chat, "ada", PASSWORD)).json()["token"])
        assert await socket.closed() == 4004
    assert (await ada.get("/server")).status_code == 401
    for token in tokens:
        assert (await chat.http.get(f"{API}/server", headers={"authorization": f"Bearer {token}"})).status_code == 200
