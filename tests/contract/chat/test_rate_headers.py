from pathlib import Path

from tests.contract.chat.rig import community


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
