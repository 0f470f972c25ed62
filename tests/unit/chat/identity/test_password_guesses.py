"""The bucket that all strangers to an account share, and the addresses that do not touch it."""

import pytest

from vox.chat.errors import Refusal
from vox.chat.events.ids import UserId
from vox.chat.identity.password_guesses import CODES, GUESSES, KnownAddresses, take_code_guess, take_guess
from vox.http.rate_limits import MemoryRateLimits

ADA, BOB = UserId(1), UserId(2)


async def guess(
    limits: MemoryRateLimits, known: KnownAddresses, user_id: UserId | None, address: str, name: str = "x"
) -> str:
    try:
        await take_guess(limits, known, user_id=user_id, username=name, address=address, now=0.0)
    except Refusal as refusal:
        return refusal.wire_code
    return ""


async def test_strangers_of_many_addresses_share_one_bucket_of_the_account():
    limits, known = MemoryRateLimits(), KnownAddresses()
    outcomes = [await guess(limits, known, ADA, f"2001:db8:{number:x}::1") for number in range(GUESSES.burst + 1)]
    assert outcomes == [""] * GUESSES.burst + ["AUTH_RATE_LIMITED"]
    assert await guess(limits, known, BOB, "2001:db8::1") == "", "each account has its own"


async def test_who_used_the_account_from_an_address_is_not_locked_out_there():
    limits, known = MemoryRateLimits(), KnownAddresses()
    known.add(ADA, "192.0.2.7")
    for number in range(GUESSES.burst + 1):
        await guess(limits, known, ADA, f"198.51.100.{number}")
    assert await guess(limits, known, ADA, "198.51.100.99") == "AUTH_RATE_LIMITED"
    assert await guess(limits, known, ADA, "192.0.2.7") == ""
    assert await guess(limits, known, ADA, "::ffff:192.0.2.7") == "", "the same address, as a proxy may write it"


async def test_an_account_that_does_not_exist_is_limited_like_one_that_does():
    limits, known = MemoryRateLimits(), KnownAddresses()
    names = ["ghost", "GHOST"]
    outcomes = [
        await guess(limits, known, None, f"198.51.100.{number}", names[number % 2])
        for number in range(GUESSES.burst + 1)
    ]
    assert outcomes == [""] * GUESSES.burst + ["AUTH_RATE_LIMITED"]


def test_the_addresses_are_bounded_and_the_one_unused_for_longest_goes_first():
    known = KnownAddresses(2)
    for address in ("a", "b", "a", "c"):
        known.add(ADA, address)
    assert [known.has(ADA, address) for address in ("a", "b", "c")] == [True, False, True]


@pytest.mark.parametrize("user_id", [ADA, None])
async def test_limits_that_are_off_refuse_nothing(user_id: UserId | None):
    limits, known = MemoryRateLimits(0), KnownAddresses()
    assert {await guess(limits, known, user_id, str(number)) for number in range(100)} == {""}


async def test_codes_are_limited_by_account_and_known_addresses_have_a_limit_of_their_own():
    limits, known = MemoryRateLimits(), KnownAddresses()
    known.add(ADA, "192.0.2.7")

    async def typed(address: str) -> str:
        try:
            await take_code_guess(limits, known, user_id=ADA, address=address, now=1000.0)
        except Refusal as refusal:
            return refusal.wire_code
        return ""

    strangers = [await typed(f"198.51.100.{number}") for number in range(CODES.burst + 1)]
    assert strangers == [""] * CODES.burst + ["AUTH_RATE_LIMITED"]
    assert await typed("192.0.2.7") == "", "a stranger does not keep the owner out"
