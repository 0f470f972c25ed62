"""Calls to hand over in Redis, for workers on several machines.

Each operation is one script, so that two workers never both take a call. Keys expire by themselves.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final, Self, cast

from vox.errors import DependencyError
from vox.fleet.handover.contract import (
    ENDED_S,
    INVITATIONS_S,
    KEPT_S,
    MOST_INVITATIONS,
    TIMEOUT_S,
    Kept,
    digest,
    failed,
)
from vox.stores import redis

CONNECTIONS: Final = 16
_PREFIX: Final = f"{redis.PREFIX}handover:"

_SAVE: Final = """
local fence = redis.call('HGET', KEYS[1], 'fence')
if fence and (fence ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], 'ended') == 1) then return 0 end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'record', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if KEYS[2] then
    redis.call('HSET', KEYS[1], 'line', KEYS[2])
    redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
end
return 1
"""
_RENEW: Final = """
local lost = {}
for number, key in ipairs(KEYS) do
    local fence = redis.call('HGET', key, 'fence')
    if fence then
        if fence ~= ARGV[number + 1] or redis.call('HEXISTS', key, 'ended') == 1 then
            lost[#lost + 1] = number
        else
            redis.call('PEXPIRE', key, ARGV[1])
            local line = redis.call('HGET', key, 'line')
            if line then redis.call('PEXPIRE', line, ARGV[1]) end
        end
    end
end
return lost
"""
_INVITE: Final = """
local id = redis.call('GET', KEYS[1]) or ARGV[1]
local key = ARGV[2] .. 'call:' .. id
local fence = redis.call('HGET', key, 'fence')
if not fence or redis.call('HEXISTS', key, 'ended') == 1 then return false end
if ARGV[3] ~= '0' and ARGV[3] ~= fence then return false end
local window = ARGV[2] .. 'invitations:' .. id
local count = redis.call('INCR', window)
if count == 1 then redis.call('PEXPIRE', window, ARGV[5]) end
if count > tonumber(ARGV[6]) then return false end
redis.call('HSET', key, 'token', KEYS[2])
redis.call('SET', KEYS[2], id, 'PX', ARGV[4])
for _, one in ipairs({key, redis.call('HGET', key, 'line') or key}) do
    if redis.call('PTTL', one) < tonumber(ARGV[7]) then redis.call('PEXPIRE', one, ARGV[7]) end
end
return {id, fence, redis.call('HGET', key, 'record'), redis.call('HINCRBY', key, 'offers', 1)}
"""
_WITHDRAW: Final = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return 0 end
redis.call('HDEL', KEYS[1], 'token')
return 1
"""
_CLAIM: Final = """
local id = redis.call('GETDEL', KEYS[1])
if not id then return false end
local key = ARGV[1] .. 'call:' .. id
if redis.call('HGET', key, 'token') ~= KEYS[1] or redis.call('HEXISTS', key, 'ended') == 1 then return false end
redis.call('HDEL', key, 'token', 'offers')
local fence = redis.call('HINCRBY', key, 'fence', 1)
redis.call('PEXPIRE', key, ARGV[2])
local line = redis.call('HGET', key, 'line')
if line then redis.call('PEXPIRE', line, ARGV[2]) end
return {id, tostring(fence), redis.call('HGET', key, 'record')}
"""
_FINISH: Final = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return 0 end
redis.call('HDEL', KEYS[1], 'record', 'token')
redis.call('HSET', KEYS[1], 'ended', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local line = redis.call('HGET', KEYS[1], 'line')
if line then redis.call('PEXPIRE', line, ARGV[2]) end
return 1
"""


class RedisHandover:
    """Implements `vox.fleet.handover.contract.HandoverStore`.

    Args:
        url: redis://, rediss:// or unix://.

    Raises:
        UsageError: the URL is none, or the package redis is missing.
    """

    def __init__(self, url: str) -> None:
        self._client = redis.connect(url, timeout_s=TIMEOUT_S, connections=CONNECTIONS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def save(self, call_id: str, fence: int, record: bytes, *, line: str = "") -> bool:
        """See `HandoverStore`."""
        keys = [_call(call_id), *([_line(line)] if line else [])]
        return bool(await self._run(_SAVE, keys, fence, record, _ms(KEPT_S), call_id))

    async def renew(self, calls: Mapping[str, int]) -> Collection[str]:
        """See `HandoverStore`."""
        ids = list(calls)
        if not ids:
            return set()
        lost: list[int] = await self._run(_RENEW, list(map(_call, ids)), _ms(KEPT_S), *calls.values())
        return {ids[number - 1] for number in lost}

    async def invite(self, name: str, token: str, *, ttl_s: float, fence: int = 0) -> Kept | None:
        """See `HandoverStore`."""
        limits = (_ms(INVITATIONS_S), MOST_INVITATIONS)
        keys = [_line(name), _token(token)]
        return _kept(await self._run(_INVITE, keys, name, _PREFIX, fence, _ms(ttl_s), *limits, _ms(min(ttl_s, KEPT_S))))

    async def withdraw(self, call_id: str, fence: int) -> bool:
        """See `HandoverStore`."""
        return bool(await self._run(_WITHDRAW, [_call(call_id)], fence))

    async def claim(self, token: str) -> Kept | None:
        """See `HandoverStore`."""
        return _kept(await self._run(_CLAIM, [_token(token)], _PREFIX, _ms(KEPT_S)))

    async def finish(self, call_id: str, fence: int) -> bool:
        """See `HandoverStore`."""
        return bool(await self._run(_FINISH, [_call(call_id)], fence, _ms(ENDED_S)))

    async def check(self) -> None:
        """Returns once Redis has answered."""
        await self._within(self._client.ping())

    async def _run(self, script: str, keys: list[str], *values: object) -> Any:
        return await self._within(self._client.eval(script, len(keys), *keys, *values))

    async def _within(self, command: Any) -> Any:
        try:
            with redis.failures():
                async with asyncio.timeout(TIMEOUT_S):
                    return await command
        except DependencyError as error:
            raise failed(str(error)) from None


def _call(call_id: str) -> str:
    return f"{_PREFIX}call:{call_id}"


def _line(line: str) -> str:
    return f"{_PREFIX}line:{line}"


def _token(token: str) -> str:
    return f"{_PREFIX}token:{digest(token)}"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _kept(found: object) -> Kept | None:
    if not found:
        return None
    call_id, fence, record, *offers = cast("list[bytes]", found)
    return Kept(call_id.decode(), int(fence), record, int(offers[0]) if offers else 0)
