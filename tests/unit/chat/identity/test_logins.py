"""Whose token it is: from the database once, from memory after that, and from neither once it is revoked."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Connection, create_engine, insert, select

from tests.fakes.clock import FakeClock
from vox.chat.community.state import Person
from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import load_chat_settings
from vox.chat.database.schema import audit_log, bans, sessions, users
from vox.chat.errors import Refusal
from vox.chat.events import Users, user_update
from vox.chat.events.ids import LoginId, UserId
from vox.chat.events.people import login_revoked
from vox.chat.identity.logins import Login, LoginCache
from vox.security.tokens import digest

DAY = 86_400


class Chat:
    """The part of a server that accounts stand on, with SQLite under it and every read counted."""

    def __init__(self, connection: Connection, **environment: str) -> None:
        self.settings = load_chat_settings(environment, {}).settings
        self.config = Config(self.settings)
        self.clock = FakeClock()
        self.connection = connection
        self.reads = 0
        self.during_read: Callable[[], None] = lambda: None
        self.closed: list[tuple[Any, ...]] = []
        self.community = SimpleNamespace(
            users={
                1: Person(UserId(1), "ada", "Ada"),
                2: Person(UserId(2), "bob", "Bob"),
                3: Person(UserId(3), "eve", "Eve", is_active=False),
            }
        )
        self.accounts = LoginCache(
            self.settings, cast("Any", self), cast("Any", self.community), self.config, self.clock
        )
        self.accounts.on_revoked(lambda *given: self.closed.append(given))

    async def read(self, unit: Callable[[Connection], Any]) -> Any:
        self.reads += 1
        found = unit(self.connection)
        self.during_read()
        return found

    async def write(self, unit: Callable[[Connection], Any]) -> Any:
        return unit(self.connection)

    @property
    def now_s(self) -> int:
        return self.clock.unix_s()

    def log_in(self, user_id: int, token: str = "vox_sess_a", *, lasts_s: int = 30 * DAY, kind: str = "login") -> int:  # noqa: S107  a test token
        found = self.connection.execute(
            insert(sessions)
            .values(
                token=digest(token),
                user_id=user_id,
                created_at=self.now_s,
                expires_at=self.now_s + lasts_s,
                last_used_at=self.now_s,
                kind=kind,
            )
            .returning(sessions.c.id)
        )
        return int(found.scalar_one())

    def row(self) -> Any:
        return self.connection.execute(select(sessions)).one()


@pytest.fixture
def make() -> Iterator[Callable[..., Chat]]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for table in (users, sessions, bans, audit_log):
            table.create(connection)
        yield lambda **environment: Chat(connection, **environment)
    engine.dispose()


@pytest.fixture
def chat(make: Callable[..., Chat]) -> Chat:
    return make()


async def refusal(chat: Chat, token: str, source: str = "") -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        await chat.accounts.authenticate_member(token, source)
    return caught.value.status, caught.value.wire_code


async def test_a_login_is_looked_up_once_in_half_a_minute(chat: Chat):
    session = chat.log_in(1)
    assert await chat.accounts.authenticate_member("vox_sess_a") == Login(UserId(1), LoginId(session))
    chat.clock.advance(29)
    assert await chat.accounts.authenticate_member("vox_sess_a") == Login(UserId(1), LoginId(session))
    assert chat.reads == 1
    chat.clock.advance(2)
    await chat.accounts.authenticate_member("vox_sess_a")
    assert chat.reads == 2


@pytest.mark.parametrize("prefix", ["mfa_", "setup_totp_", "setup_webauthn_", "fed_"])
async def test_a_ticket_is_no_login_even_if_its_row_says_so(chat: Chat, prefix: str):
    chat.log_in(1, prefix + "x")
    assert await refusal(chat, prefix + "x") == (401, "AUTH_FAILED")
    assert chat.reads == 0


async def test_a_row_of_another_kind_lets_nobody_in(chat: Chat):
    chat.log_in(1, "vox_sess_t", kind="mfa")
    assert await refusal(chat, "vox_sess_t") == (401, "AUTH_EXPIRED")


@pytest.mark.parametrize("token", ["", "vox_sess_unknown", "x" * 10_000, "'; DROP TABLE sessions; --", "\ud800"])
async def test_what_is_no_token_has_expired(chat: Chat, token: str):
    assert await refusal(chat, token) == (401, "AUTH_EXPIRED")


async def test_an_overlong_token_does_not_reach_the_database(chat: Chat):
    await refusal(chat, "x" * 10_000)
    assert chat.reads == 0


async def test_unknown_tokens_of_an_address_cost_a_minute_s_reads_and_no_more(chat: Chat):
    chat.log_in(1)
    chat.log_in(2, "vox_sess_b")
    await chat.accounts.authenticate_member("vox_sess_a", "192.0.2.1")
    chat.clock.advance(31)
    before = chat.reads
    for number in range(200):
        expected = (401, "AUTH_EXPIRED") if number < 60 else (429, "AUTH_RATE_LIMITED")
        assert await refusal(chat, f"vox_sess_{number}", "192.0.2.1") == expected
    assert chat.reads == before + 60
    with pytest.raises(Refusal) as caught:
        await chat.accounts.authenticate_member("vox_sess_b", "192.0.2.1")
    assert caught.value.extras["retry_after_ms"] == pytest.approx(1000, abs=1)
    assert (await chat.accounts.authenticate_member("vox_sess_a", "192.0.2.1")).user_id == 1, (
        "known, though its half minute is over"
    )
    assert (await chat.accounts.authenticate_member("vox_sess_b", "192.0.2.2")).user_id == 2
    chat.clock.advance(1.001)
    assert await refusal(chat, "vox_sess_x", "192.0.2.1") == (401, "AUTH_EXPIRED")
    assert await refusal(chat, "vox_sess_x", "192.0.2.1") == (429, "AUTH_RATE_LIMITED")


async def test_the_bound_on_unknown_tokens_scales_and_goes_with_the_other_limits(make: Callable[..., Chat]):
    chat = make(VOX_RATE_LIMIT_SCALE="0")
    answers = [await refusal(chat, f"vox_sess_{number}", "192.0.2.1") for number in range(70)]
    assert set(answers) == {(401, "AUTH_EXPIRED")}


async def test_an_expired_login_is_over_also_while_it_is_remembered(chat: Chat):
    chat.log_in(1, lasts_s=10)
    await chat.accounts.authenticate_member("vox_sess_a")
    chat.connection.execute(sessions.update().values(expires_at=chat.now_s + 10))
    chat.clock.advance(31 * DAY)
    assert await refusal(chat, "vox_sess_a") == (401, "AUTH_EXPIRED")


async def test_memory_does_not_outlive_the_row(make: Callable[..., Chat]):
    chat = make(VOX_AUTH_SESSION_MAX_DAYS="30")
    session = chat.log_in(1, lasts_s=DAY)
    chat.connection.execute(sessions.update().values(created_at=chat.now_s - 30 * DAY, expires_at=chat.now_s + 5))
    assert await chat.accounts.authenticate_member("vox_sess_a") == Login(UserId(1), LoginId(session))
    chat.clock.advance(6)
    assert await refusal(chat, "vox_sess_a") == (401, "AUTH_EXPIRED")


async def test_a_user_who_is_no_member_is_told_why_and_kept_from_everything(chat: Chat):
    session = chat.log_in(3)
    assert await refusal(chat, "vox_sess_a") == (403, "KICKED")
    gone = {"event_type": "member.leave", "target_id": 3, "timestamp": 1}
    chat.connection.execute(insert(audit_log).values(id=1, **gone))
    assert await refusal(chat, "vox_sess_a") == (403, "NOT_A_MEMBER")
    chat.connection.execute(insert(audit_log).values(id=2, **{**gone, "event_type": "member.kick"}))
    assert await refusal(chat, "vox_sess_a") == (403, "KICKED")
    chat.connection.execute(insert(bans).values(user_id=3, created_at=1))
    assert await refusal(chat, "vox_sess_a") == (403, "BANNED")
    assert await chat.accounts.authenticate("vox_sess_a") == Login(UserId(3), LoginId(session)), (
        "but the way back is open"
    )


async def test_who_stops_being_a_member_is_out_at_once_though_the_token_is_remembered(chat: Chat):
    chat.log_in(2)
    await chat.accounts.authenticate_member("vox_sess_a")
    chat.community.users[2] = Person(UserId(2), "bob", "Bob", is_active=False)
    assert await refusal(chat, "vox_sess_a") == (403, "KICKED")


async def test_who_has_just_registered_elsewhere_is_waited_for(chat: Chat, monkeypatch: pytest.MonkeyPatch):
    session = chat.log_in(7)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            chat.community.users[7] = Person(UserId(7), "new", "New")

    monkeypatch.setattr("vox.chat.identity.logins.asyncio.sleep", sleep)
    assert await chat.accounts.authenticate_member("vox_sess_a") == Login(UserId(7), LoginId(session))
    assert len(waits) == 3


async def test_who_stays_unknown_is_told_to_try_again_and_not_that_he_is_banned(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
):
    chat.log_in(7)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("vox.chat.identity.logins.asyncio.sleep", sleep)
    assert await refusal(chat, "vox_sess_a") == (503, "UNAVAILABLE")
    assert sum(waits) == pytest.approx(1.0)


async def test_a_revoked_login_is_out_at_once_and_its_sockets_close(chat: Chat):
    session = chat.log_in(1)
    chat.log_in(2, "vox_sess_b")
    await chat.accounts.authenticate_member("vox_sess_a")
    await chat.accounts.authenticate_member("vox_sess_b")
    chat.connection.execute(sessions.delete().where(sessions.c.id == session))
    chat.accounts.apply(login_revoked(UserId(1), [LoginId(session)]))
    assert await refusal(chat, "vox_sess_a") == (401, "AUTH_EXPIRED")
    assert chat.closed == [(1, {session}, "Logged out")]
    reads = chat.reads
    await chat.accounts.authenticate_member("vox_sess_b")
    assert chat.reads == reads, "others are still remembered"


async def test_revoking_all_logins_of_a_user_closes_all_sockets_of_that_user(chat: Chat):
    chat.log_in(1)
    await chat.accounts.authenticate_member("vox_sess_a")
    chat.connection.execute(sessions.delete())
    chat.accounts.apply(login_revoked(UserId(1)))
    assert await refusal(chat, "vox_sess_a") == (401, "AUTH_EXPIRED")
    assert chat.closed == [(1, None, "Logged out")]


async def test_a_revocation_while_the_row_is_being_read_counts_for_who_reads(chat: Chat):
    session = chat.log_in(1)

    def end_it() -> None:
        chat.during_read = lambda: None
        chat.connection.execute(sessions.delete())
        chat.accounts.apply(login_revoked(UserId(1), [LoginId(session)]))

    chat.during_read = end_it
    assert await refusal(chat, "vox_sess_a") == (401, "AUTH_EXPIRED"), "the row that was read is gone"
    assert await refusal(chat, "vox_sess_a") == (401, "AUTH_EXPIRED")


async def test_the_end_of_another_login_while_the_row_is_being_read_harms_nobody(chat: Chat):
    chat.log_in(1)

    def end_another() -> None:
        chat.during_read = lambda: None
        chat.accounts.apply(login_revoked(UserId(2)))

    chat.during_read = end_another
    assert (await chat.accounts.authenticate_member("vox_sess_a")).user_id == 1
    reads = chat.reads
    await chat.accounts.authenticate_member("vox_sess_a")
    assert chat.reads == reads, "it is remembered"


async def test_a_login_in_use_is_prolonged_once_less_than_half_is_left(chat: Chat):
    chat.log_in(1)
    end = chat.now_s + 30 * DAY
    chat.clock.advance(14 * DAY)
    await chat.accounts.authenticate_member("vox_sess_a")
    assert chat.row().expires_at == end
    chat.clock.advance(2 * DAY)
    await chat.accounts.authenticate_member("vox_sess_a")
    assert chat.row().expires_at == chat.now_s + 30 * DAY


async def test_a_login_ends_after_the_absolute_time_however_much_it_is_used(make: Callable[..., Chat]):
    chat = make(VOX_AUTH_SESSION_TTL_DAYS="10", VOX_AUTH_SESSION_MAX_DAYS="25")
    chat.log_in(1, lasts_s=10 * DAY)
    for _ in range(24):
        chat.clock.advance(DAY)
        await chat.accounts.authenticate_member("vox_sess_a")
    chat.clock.advance(DAY)
    assert await refusal(chat, "vox_sess_a") == (401, "AUTH_EXPIRED")


async def test_the_last_use_is_noted_but_not_at_every_request(chat: Chat):
    chat.log_in(1)
    first = chat.now_s
    chat.clock.advance(60)
    await chat.accounts.authenticate_member("vox_sess_a")
    assert chat.row().last_used_at == first
    chat.clock.advance(300)
    await chat.accounts.authenticate_member("vox_sess_a")
    assert chat.row().last_used_at == chat.now_s


async def test_no_more_than_so_many_logins_are_remembered(chat: Chat, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vox.chat.identity.logins.MAX_REMEMBERED", 2)
    for name in ("a", "b", "c"):
        chat.log_in(1, name)
        await chat.accounts.authenticate_member(name)
    reads = chat.reads
    await chat.accounts.authenticate_member("c")
    await chat.accounts.authenticate_member("b")
    assert chat.reads == reads
    await chat.accounts.authenticate_member("a")
    assert chat.reads == reads + 1


def test_a_revocation_is_for_servers_only():
    event = login_revoked(UserId(1), [LoginId(2)])
    assert event.audience == Users(())
    assert event.payload == {}


async def test_a_changed_profile_is_read_again(chat: Chat):
    chat.connection.execute(insert(users).values(id=1, username="ada", created_at=5, bio="old"))
    first = await chat.accounts.profiles.read(UserId(1))
    assert first is not None
    assert first.bio == "old"
    chat.connection.execute(users.update().values(bio="new"))
    assert chat.accounts.profiles.kept(UserId(1)) is first
    chat.accounts.apply(user_update(user_id=UserId(1), changed={"bio": "new"}))
    assert chat.accounts.profiles.kept(UserId(1)) is None
