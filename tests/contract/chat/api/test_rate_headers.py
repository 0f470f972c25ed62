import math
from pathlib import Path

import httpx2
import pytest

from tests.contract.chat.harness import API, PASSWORD, community
from tests.contract.chat.helpers_people import outcome
from tests.fakes.clock import FakeClock
from vox.http.rate_limits import RefusedTokens


async def test_the_headers_tell_the_scaled_limit(tmp_path: Path):
    async with community("sqlite://", tmp_path, rate_limit_scale=2.0) as chat:
        alice = await chat.register("alice")
        first = await alice.get("/bans")
        second = await alice.get("/bans")
    assert first.headers["x-ratelimit-limit"] == "20"
    assert [one.headers["x-ratelimit-remaining"] for one in (first, second)] == ["19", "18"]


async def test_who_is_refused_is_told_when_to_come_back(tmp_path: Path):
    async with community("sqlite://", tmp_path, rate_limit_scale=1.0) as chat:
        alice = await chat.register("alice")
        answers = [await alice.get("/bans") for _ in range(11)]
    assert [one.status_code for one in answers] == [200] * 10 + [429]
    error = answers[-1].json()["error"]
    assert error["code"] == "RATE_LIMITED"
    assert 0 < error["retry_after_ms"] <= 5000
    assert int(answers[-1].headers["retry-after"]) == -(-error["retry_after_ms"] // 1000)
    assert answers[-1].headers["x-ratelimit-remaining"] == "0"


async def test_after_too_many_unknown_tokens_an_address_waits_but_not_who_is_known(tmp_path: Path):
    async with community("sqlite://", tmp_path, rate_limit_scale=1.0) as chat:
        alice = await chat.register("alice")
        assert (await alice.get("/server")).status_code == 200
        chat.chat.logins.refused = RefusedTokens(2, 60.0)
        made_up = [
            await chat.http.get(f"{API}/server", headers={"authorization": f"Bearer vox_sess_{number}"})
            for number in range(3)
        ]
        assert [one.status_code for one in made_up] == [401, 401, 429]
        error = made_up[-1].json()["error"]
        assert error["code"] == "AUTH_RATE_LIMITED"
        assert int(made_up[-1].headers["retry-after"]) == -(-error["retry_after_ms"] // 1000) == 30
        assert "x-ratelimit-remaining" in made_up[-1].headers
        joining = await chat.http.post(
            f"{API}/members/join", headers={"authorization": "Bearer vox_sess_x"}, json={"invite_code": "x"}
        )
        assert joining.status_code == 429, "the way back looks tokens up, too"
        assert (await alice.get("/server")).status_code == 200
        body = {"username": "alice", "password": PASSWORD}
        login = await chat.http.post(f"{API}/auth/login", json=body, headers={"authorization": "Bearer vox_sess_x"})
        assert login.status_code == 200, "what needs no token is not refused for one"


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login"])
async def test_a_token_brings_no_fresh_bucket_where_no_login_is_needed(tmp_path: Path, path: str):
    async with community("sqlite://", tmp_path, rate_limit_scale=1.0) as chat:
        people = [await chat.register(f"user{number}") for number in range(5)]
        answers = [
            await person.post(path, {"username": f"more{person.name}", "password": PASSWORD}) for person in people
        ]
        assert {outcome(one) for one in answers} == {(429, "AUTH_RATE_LIMITED")}
        assert (await people[0].get("/auth/sessions")).status_code == 200, "with a login the account counts"


async def test_guesses_from_many_networks_meet_the_account_and_its_owner_still_logs_in(tmp_path: Path):
    async with community("sqlite://", tmp_path, rate_limit_scale=1.0) as chat:
        await chat.register("alice")

        async def log_in(address: str, password: str) -> tuple[int, str]:
            transport = httpx2.ASGITransport(chat.app, client=(address, 1))
            async with httpx2.AsyncClient(transport=transport, base_url="http://chat.test") as http:
                return outcome(await http.post(f"{API}/auth/login", json={"username": "alice", "password": password}))

        assert await log_in("192.0.2.1", PASSWORD) == (200, "")
        guesses = [await log_in(f"2001:db8:{number:x}::1", "a wrong guess") for number in range(21)]
        assert guesses[:19] == [(401, "AUTH_FAILED")] * 19
        assert guesses[19:] == [(429, "AUTH_RATE_LIMITED")] * 2
        assert await log_in("2001:db8:ffff::1", PASSWORD) == (429, "AUTH_RATE_LIMITED")
        assert await log_in("192.0.2.1", PASSWORD) == (200, "")


async def test_the_reset_of_a_refusal_is_when_one_more_request_may_come(tmp_path: Path):
    clock = FakeClock()
    async with community("sqlite://", tmp_path, clock=clock, rate_limit_scale=1.0) as chat:
        alice = await chat.register("alice")
        answers = [await alice.get("/bans") for _ in range(11)]
    now = clock.wall().timestamp()
    assert int(answers[9].headers["x-ratelimit-reset"]) == math.ceil(now + 50), "until it is full again"
    refused = answers[10]
    assert int(refused.headers["x-ratelimit-reset"]) == math.ceil(now + 5)
    assert (refused.json()["error"]["retry_after_ms"], refused.headers["retry-after"]) == (5000, "5")
