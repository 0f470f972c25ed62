import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.time_limits import WAIT_S
from vox.errors import DependencyError
from vox.security.passwords import Cost, Passwords, Verdict

CHEAP = Cost(memory_kib=64, passes=1)
Make = Callable[..., Passwords]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes what is closed after the test."""
    made: list[Passwords] = []

    def one(cost: Cost = CHEAP, **options: Any) -> Passwords:
        made.append(Passwords(cost, **options))
        return made[-1]

    yield one
    for passwords in made:
        passwords.close()


async def test_a_hash_is_argon2id_and_names_its_cost(make: Make):
    stored = await make(CHEAP).hash("correct horse")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=4$")


async def test_the_right_password_is_right_and_another_is_not(make: Make):
    passwords = make(CHEAP)
    stored = await passwords.hash("correct horse")
    assert await passwords.check("correct horse", stored) == Verdict(is_right=True)
    assert await passwords.check("wrong horse", stored) == Verdict(is_right=False)


async def test_the_same_password_hashes_differently_each_time(make: Make):
    passwords = make(CHEAP)
    assert await passwords.hash("a") != await passwords.hash("a")


async def test_without_a_stored_hash_nothing_is_right_not_even_the_dummys_password(make: Make):
    passwords = make(CHEAP)
    assert not (await passwords.check("a password that nobody has", None)).is_right


async def test_an_unknown_user_costs_a_real_verification(make: Make, monkeypatch: pytest.MonkeyPatch):
    passwords = make(CHEAP)
    verified: list[str] = []
    real = passwords._hasher.verify

    class Counting:
        def verify(self, stored: str, password: str) -> bool:
            verified.append(stored)
            return real(stored, password)

        hash = passwords._hasher.hash

    monkeypatch.setattr(passwords, "_hasher", Counting())
    await passwords.check("x", None)
    assert len(verified) == 1
    assert verified[0].startswith("$argon2id$")


async def test_a_hash_of_another_cost_is_renewed_when_the_password_is_right(make: Make):
    old = await make(CHEAP).hash("secret")
    passwords = make(Cost(memory_kib=128, passes=1))
    verdict = await passwords.check("secret", old)
    assert verdict.is_right
    assert verdict.renewed is not None
    assert verdict.renewed.startswith("$argon2id$v=19$m=128,")
    assert (await passwords.check("secret", verdict.renewed)).renewed is None


async def test_a_wrong_password_renews_nothing(make: Make):
    old = await make(CHEAP).hash("secret")
    assert (await make(Cost(memory_kib=128)).check("wrong", old)).renewed is None


@pytest.mark.parametrize("stored", ["", "plain text", "$2b$12$abc", "$argon2id$v=19$m=64,t=1,p=4$broken"])
async def test_what_is_no_hash_is_never_right(make: Make, stored: str):
    assert not (await make(CHEAP).check("x", stored)).is_right


async def test_what_does_not_fit_is_refused_at_once_and_told_when_to_come_back(
    make: Make, monkeypatch: pytest.MonkeyPatch
):
    passwords = make(CHEAP, threads=1, waiting=1)
    stored = passwords.hash_now("a")
    gate = threading.Event()
    real = passwords._check

    def slow(password: str, stored: str | None) -> Verdict:
        gate.wait(WAIT_S)
        return real(password, stored)

    monkeypatch.setattr(passwords, "_check", slow)
    running = asyncio.create_task(passwords.check("a", stored))
    waiting = asyncio.create_task(passwords.check("a", stored))
    await asyncio.sleep(0)
    with pytest.raises(DependencyError) as caught:
        await passwords.check("a", stored)
    gate.set()
    assert caught.value.code == "passwords_busy"
    assert caught.value.retryable
    assert caught.value.retry_after_s == 2.0
    assert (await running).is_right
    assert (await waiting).is_right
    assert (await passwords.check("a", stored)).is_right, "there is room again"


async def test_who_waits_too_long_is_told_so(make: Make, monkeypatch: pytest.MonkeyPatch):
    passwords = make(CHEAP, threads=1, deadline_s=0.0)
    gate = threading.Event()
    monkeypatch.setattr(passwords, "_check", lambda *_: gate.wait(WAIT_S))
    with pytest.raises(DependencyError) as caught:
        await passwords.check("a", None)
    gate.set()
    assert caught.value.code == "passwords_busy"


async def test_after_closing_the_next_password_is_checked_again(make: Make):
    passwords = make(CHEAP)
    stored = await passwords.hash("a")
    passwords.close()
    assert (await passwords.check("a", stored)).is_right
