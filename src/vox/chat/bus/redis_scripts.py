"""The Lua scripts of the bus: each is one step that no other process can come between.

Before changing: positions are numbers of Lua, exact up to 2^53. A log begins at the microseconds of Redis' clock, so that every
epoch lies above all those before it: a position of an older epoch can be recognised, never be confused.
"""

from typing import Final

HELLO: Final = """
-- KEYS log stream channel; ARGV fresh_epoch run least_position epoch_to_end
-- The epoch and position of the log. A new epoch begins where there is none, where Redis was started again (what it lost is
-- unknown), where it knows less than the caller, and where the caller has lost events.
local at = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'position')
if at[1] and at[2] == ARGV[2] and tonumber(at[3]) >= tonumber(ARGV[3]) and at[1] ~= ARGV[4] then
  return {at[1], at[3]}
end
local time = redis.call('TIME')
local base = math.max(time[1] * 1000000 + time[2], tonumber(at[3] or '0'), tonumber(ARGV[3]))
base = string.format('%.0f', base)
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'run', ARGV[2], 'position', base)
redis.call('PUBLISH', KEYS[3], ARGV[1] .. '\\n\\n0\\n' .. base .. '\\n')
return {ARGV[1], base}
"""

PUBLISH: Final = """
-- KEYS log stream channel batch; ARGV epoch run origin batch count payload kept_events
-- Appends a batch and sends it out. 1: done, 0: was done before, nil: the log is another one.
local at = redis.call('HMGET', KEYS[1], 'epoch', 'run')
if at[1] ~= ARGV[1] or at[2] ~= ARGV[2] then return false end
local done = redis.call('GET', KEYS[4])
if done and tonumber(done) >= tonumber(ARGV[4]) then return 0 end
local last = redis.call('HINCRBY', KEYS[1], 'position', ARGV[5])
local first = string.format('%.0f', last - tonumber(ARGV[5]) + 1)
redis.call('XADD', KEYS[2], 'MINID', '~', string.format('%.0f', last - ARGV[7]), string.format('%.0f-0', last),
  'f', first, 'o', ARGV[3], 'b', ARGV[4], 'p', ARGV[6])
redis.call('SET', KEYS[4], ARGV[4], 'EX', 3600)
redis.call('PUBLISH', KEYS[3], ARGV[1] .. '\\n' .. ARGV[3] .. '\\n' .. ARGV[4] .. '\\n' .. first .. '\\n' .. ARGV[6])
return 1
"""

READ: Final = """
-- KEYS log stream; ARGV position batches
local at = redis.call('HMGET', KEYS[1], 'epoch', 'position')
return {at[1], at[2], redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])}
"""

SAVE_SESSION: Final = """
-- KEYS session; ARGV process blob ttl_ms live number
-- 0: the session has moved to another process, and what this one knows of it is old. A write that was overtaken is left out.
local at = redis.call('HMGET', KEYS[1], 'owner', 'number')
if at[1] and at[1] ~= ARGV[1] then return 0 end
if at[2] and tonumber(at[2]) > tonumber(ARGV[5]) then return 1 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'blob', ARGV[2], 'live', ARGV[4], 'number', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""

LOAD_SESSION: Final = """
-- KEYS session log; ARGV process lease_prefix force
-- {blob, position, previous owner}; 'ask' where a living process still serves it and may know more.
local found = redis.call('HMGET', KEYS[1], 'owner', 'blob', 'live')
local position = redis.call('HGET', KEYS[2], 'position')
if not found[2] then return {false, position, ''} end
if ARGV[3] == '0' and found[3] == '1' and found[1] ~= ARGV[1] and redis.call('EXISTS', ARGV[2] .. found[1]) == 1 then
  return 'ask'
end
redis.call('HDEL', KEYS[1], 'blob')
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'number', 0)
return {found[2], position, found[1]}
"""

DROP_SESSION: Final = """
-- KEYS session; ARGV process
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

LEASE: Final = """
-- KEYS name; ARGV holder ttl_ms
-- 1 where the name is the holder's for that long from now.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
