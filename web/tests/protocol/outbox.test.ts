import { expect, test } from 'vitest'

import { Outbox, SAFE_MS, type Entry } from '../../src/protocol/outbox'
import { seeded } from '../seeded'

function entry(nonce: string, part: Partial<Entry> = {}): Entry {
    return {
        nonce,
        place: 'feed:1',
        body: nonce,
        reply_to: null,
        attachments: [],
        mentions: [],
        created: 0,
        order: 0,
        tries: 0,
        next: 0,
        state: 'waiting',
        error: null,
        ...part,
    }
}

const NETWORK = { status: 0, code: 'NETWORK', message: '', retryAfterMs: null }
const outbox = (): Outbox => new Outbox(() => 1)
const due = (box: Outbox, now: number): string[] => box.due(now).map((task) => `${task.do} ${task.entry.nonce}`)

test('of each place one is in flight, in the order of writing', () => {
    const box = outbox()
    box.put(entry('b', { order: 2 }))
    box.put(entry('a', { order: 1 }))
    box.put(entry('c', { order: 3, place: 'dm:1' }))
    expect(due(box, 0)).toEqual(['send a', 'send c'])
    box.begin('a')
    expect(due(box, 0)).toEqual(['send c'])
    box.remove('a')
    expect(due(box, 0)).toEqual(['send b', 'send c'])
})

test('a failure waits and holds back what was written after it', () => {
    const box = outbox()
    box.put(entry('a', { order: 1 }))
    box.put(entry('b', { order: 2 }))
    box.begin('a')
    box.failed('a', NETWORK, 10)
    expect(due(box, 500)).toEqual([])
    expect(due(box, 1_010)).toEqual(['send a'])
    box.hurry(600)
    expect(due(box, 600)).toEqual(['send a'])
})

test('the time that the server names is kept, also when the network returns', () => {
    const box = outbox()
    box.put(entry('a'))
    box.failed('a', { ...NETWORK, status: 429, code: 'RATE_LIMITED', retryAfterMs: 8_000 }, 0)
    box.hurry(100)
    expect(due(box, 7_999)).toEqual([])
    expect(due(box, 8_000)).toEqual(['send a'])
})

test('a refusal says why and holds nothing back', () => {
    const box = outbox()
    box.put(entry('a', { order: 1 }))
    box.put(entry('b', { order: 2 }))
    box.failed('a', { status: 403, code: 'FORBIDDEN', message: 'no', retryAfterMs: null }, 0)
    expect(box.get('a')!.error!.code).toBe('FORBIDDEN')
    expect(due(box, 0)).toEqual(['send b'])
})

test('after nine minutes the history is read, and its author is asked', () => {
    const box = outbox()
    box.put(entry('a'))
    expect(due(box, SAFE_MS - 1)).toEqual(['send a'])
    expect(due(box, SAFE_MS)).toEqual(['check a'])
    box.ask('a')
    expect(due(box, SAFE_MS)).toEqual([])
    box.again('a', 'fresh', SAFE_MS)
    expect(due(box, SAFE_MS)).toEqual(['send fresh'])
})

test('what was being sent when the page went is tried again with the same nonce', () => {
    const box = outbox()
    box.put(entry('a', { state: 'sending' }))
    expect(due(box, 0)).toEqual(['send a'])
})

/** A server that remembers nonces for ten minutes, a network that loses requests and answers, pages that are closed. */
test.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'every message arrives once and in order (seed %i)',
    (seed) => {
        const random = seeded(seed)
        const server: { nonce: string; body: string; at: number }[] = []
        let stored: Entry[] = []
        let box = new Outbox(random)
        let now = 0
        let written = 0
        const post = (one: Entry): void => {
            const known = server.find((other) => other.nonce === one.nonce && now - other.at < 600_000)
            if (known === undefined) server.push({ nonce: one.nonce, body: one.body, at: now })
        }
        for (let step = 0; step < 400; step++) {
            now += Math.floor(random() * 20_000)
            if (written < 10 && random() < 0.3)
                box.put(entry(`n${written}`, { body: `m${written}`, order: written++, created: now, next: now }))
            for (const { do: what, entry: one } of box.due(now)) {
                box.begin(one.nonce)
                if (step < 380 && random() < 0.3) {
                    box.failed(one.nonce, NETWORK, now)
                    continue
                }
                if (what === 'check') {
                    if (server.some((other) => other.body === one.body)) box.remove(one.nonce)
                    else box.ask(one.nonce)
                    continue
                }
                post(one)
                if (step < 380 && random() < 0.4) box.failed(one.nonce, NETWORK, now)
                else box.remove(one.nonce)
            }
            for (const one of box.all) if (one.state === 'asks') box.again(one.nonce, `${one.nonce}+`, now)
            if (random() < 0.1) {
                stored = [...box.all]
                box = new Outbox(random)
                for (const one of stored) box.put(one)
            }
            if (random() < 0.05) box.hurry(now)
        }
        const bodies = server.map((one) => one.body)
        expect(bodies).toEqual([...new Set(bodies)])
        expect(bodies.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)))).toEqual(bodies)
        expect(bodies.length).toBe(written)
    },
)
