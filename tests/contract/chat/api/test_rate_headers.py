from pathlib import Path

from tests.contract.chat.harness import API, PASSWORD, community
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
