import { expect, test } from 'vitest'

import { backoff } from '../../src/protocol/backoff'
import { Gateway, type Action } from '../../src/protocol/gateway'
import { Wake } from '../../src/protocol/wake'

const frame = (type: string, d: unknown = {}, seq?: number): string => JSON.stringify({ type, d, seq })
const names = (actions: Action[]): string[] => actions.map((one) => one.do)
const said = (actions: Action[]): Record<string, any>[] =>
    actions.flatMap((one) => (one.do === 'send' ? [JSON.parse(one.text) as Record<string, any>] : []))

function live(now = 0): Gateway {
    const machine = new Gateway('token', () => 1)
    machine.start(now)
    machine.received(frame('hello', { heartbeat_interval: 45_000 }), now)
    machine.received(frame('ready', { session_id: 's1' }, 1), now)
    expect(machine.state).toBe('live')
    return machine
}

test('a session begins with identify and asks for ids as texts and the snapshot', () => {
    const machine = new Gateway('token', () => 1)
    expect(names(machine.start(0))).toEqual(['open'])
    const [identify] = said(machine.received(frame('hello', { heartbeat_interval: 45_000 }), 5))
    expect(identify!.type).toBe('identify')
    expect(identify!.d.capabilities).toEqual(expect.arrayContaining(['string_ids', 'snapshot', 'account_events']))
    expect(names(machine.received(frame('ready', { session_id: 's1' }, 1), 9))).toEqual(['ready'])
    expect(machine.session).toEqual({ id: 's1', seq: 1 })
})

test('a lost connection is resumed from the last number', () => {
    const machine = live()
    machine.received(frame('message_create', {}, 2), 10)
    expect(names(machine.closed(1006, '', 20))).toEqual(['close'])
    expect(machine.offlineSince).toBe(20)
    expect(names(machine.tick(machine.retryAt!))).toEqual(['open'])
    const [resume] = said(machine.received(frame('hello'), 2_000))
    expect(resume).toEqual({ type: 'resume', d: { token: 'token', session_id: 's1', last_seq: 2 } })
    expect(names(machine.received(frame('message_create', {}, 3), 2_001))).toEqual(['event'])
    expect(names(machine.received(frame('resumed', { seq: 3 }), 2_002))).toEqual(['resumed'])
    expect(machine.offlineSince).toBeNull()
})

test('an event that comes twice counts once, and a number left out begins a new session', () => {
    const machine = live()
    machine.received(frame('message_create', {}, 2), 1)
    expect(machine.received(frame('message_create', {}, 2), 2)).toEqual([])
    expect(names(machine.received(frame('message_create', {}, 4), 3))).toEqual(['open'])
    expect(said(machine.received(frame('hello'), 4))[0]!.type).toBe('identify')
})

test.each([
    [4000, 'resume'],
    [4006, 'resume'],
    [4007, 'resume'],
    [4008, 'resume'],
    [4012, 'resume'],
    [1006, 'resume'],
    [4003, 'identify'],
    [4009, 'identify'],
    [4010, 'identify'],
])('after %i comes %s', (code, type) => {
    const machine = live()
    machine.closed(code, '', 10)
    if (machine.state === 'offline') machine.tick(machine.retryAt!)
    expect(machine.state).toBe('connecting')
    expect(said(machine.received(frame('hello'), 100_000))[0]!.type).toBe(type)
})

test.each([
    [4004, 'BANNED: spam', 'BANNED'],
    [4004, 'KICKED: bye', 'KICKED'],
    [4004, '', 'AUTH_EXPIRED'],
    [4011, '', 'VERSION'],
])('%i %s ends it as %s', (code, reason, ended) => {
    const machine = live()
    expect(machine.closed(code, reason, 10)).toEqual([{ do: 'ended', code: ended, detail: reason }])
    expect(machine.tick(10 ** 9)).toEqual([])
})

test('a session that was silent for more than five minutes is not resumed', () => {
    const machine = live()
    machine.closed(1006, '', 10)
    machine.wake(301_000, false)
    expect(said(machine.received(frame('hello'), 301_001))[0]!.type).toBe('identify')
})

test('on waking an open socket has three seconds to answer, and none after sleep', () => {
    const machine = live()
    expect(said(machine.wake(10_000, false))[0]!.type).toBe('heartbeat')
    expect(machine.tick(12_999)).toEqual([])
    expect(names(machine.tick(13_000))).toEqual(['open'])
    const other = live()
    other.wake(10_000, false)
    other.received(frame('heartbeat_ack'), 10_100)
    expect(other.state).toBe('live')
    expect(other.tick(20_000)).toEqual([])
    expect(names(other.wake(30_000, true))).toEqual(['open'])
})

test('heartbeats go out in time and a missing answer replaces the socket', () => {
    const machine = live()
    const [beat] = said(machine.tick(45_000))
    expect(beat).toEqual({ type: 'heartbeat', d: { seq: 1 } })
    expect(names(machine.tick(55_000))).toEqual(['open'])
})

test('a socket that never answers is given up', () => {
    const machine = new Gateway('token', () => 1)
    machine.start(0)
    expect(names(machine.tick(10_000))).toEqual(['close'])
    expect(machine.state).toBe('offline')
})

test('without network it waits, and goes on at once when it returns', () => {
    const machine = live()
    expect(names(machine.networkLost(5))).toEqual(['close'])
    expect(names(machine.wake(50, false))).toEqual(['open'])
})

test('what is no frame changes nothing', () => {
    const machine = live()
    for (const text of ['', '[', 'null', '[]', '{}', '{"type":5}', '{"type":"ready","seq":9}'])
        expect(machine.received(text, 1).filter((one) => one.do !== 'event')).toEqual([])
})

test('the wait doubles up to a minute, and is never the same for all', () => {
    expect([1, 2, 3, 7, 50].map((tries) => backoff(tries, () => 1))).toEqual([1000, 2000, 4000, 60000, 60000])
    expect(backoff(1, () => 0)).toBe(500)
})

test('only a tick that comes far too late means sleep', () => {
    const wake = new Wake(0)
    expect(wake.tick(5_000)).toBe(false)
    expect(wake.tick(24_000)).toBe(false)
    expect(wake.tick(44_100)).toBe(true)
    expect(wake.tick(49_000)).toBe(false)
})
