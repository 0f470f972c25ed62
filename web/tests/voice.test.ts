/** What voice computes without a browser: gate, choices, push to talk, and what the doctor reads from statistics. */
import { describe, expect, test, vi } from 'vitest'

import { choicesOf, found } from '../src/voice/choices.svelte'
import { decibels, factorOf, Gate } from '../src/voice/gate'
import { isPrivate, summary } from '../src/voice/paths'
import { PushToTalk } from '../src/voice/push_to_talk'
import { troubleOf } from '../src/voice/trouble'

const RATE = 48_000
const BLOCK = 128

/** The loudest sample that comes out of the gate within a time, for a tone of that level. */
function passed(gate: Gate, level: number, from: number, seconds: number): number {
    const input = new Float32Array(BLOCK)
    const output = new Float32Array(BLOCK)
    let loudest = 0
    for (let at = 0; at < seconds * RATE; at += BLOCK) {
        for (let n = 0; n < BLOCK; n += 1) input[n] = level * Math.sin((2 * Math.PI * 440 * (at + n)) / RATE)
        gate.pass(input, output, from + at / RATE)
        loudest = output.reduce((most, one) => Math.max(most, Math.abs(one)), 0)
    }
    return loudest
}

describe('the gate', () => {
    test('passes speech, closes behind it, and stays closed for noise', () => {
        const gate = new Gate(RATE)
        gate.settings = { gain: 1, threshold: -30, held: null }
        expect(passed(gate, 0.003, 0, 0.5)).toBe(0)
        expect(passed(gate, 0.3, 1, 0.1)).toBeGreaterThan(0.25)
        expect(passed(gate, 0.003, 1.1, 0.2)).toBeGreaterThan(0)
        expect(passed(gate, 0.003, 1.3, 0.6)).toBe(0)
    })

    test('push to talk decides alone while it is chosen', () => {
        const gate = new Gate(RATE)
        gate.settings = { gain: 1, threshold: null, held: false }
        expect(passed(gate, 0.5, 0, 0.2)).toBe(0)
        gate.settings = { gain: 1, threshold: 0, held: true }
        expect(passed(gate, 0.5, 1, 0.2)).toBeGreaterThan(0.45)
    })

    test('gain makes louder, and never beyond full scale', () => {
        const gate = new Gate(RATE)
        gate.settings = { gain: factorOf(20), threshold: null, held: null }
        expect(passed(gate, 0.01, 0, 0.2)).toBeCloseTo(0.1, 2)
        expect(passed(gate, 1, 1, 0.2)).toBe(1)
    })

    test('levels are from -60 to 0 dB', () => {
        expect(decibels(1)).toBe(0)
        expect(decibels(0.1)).toBeCloseTo(-20)
        expect(decibels(0)).toBe(-60)
    })
})

describe('choices', () => {
    test('what is broken has its default, what is too much its bound', () => {
        const read = choicesOf({
            gain: 99,
            gate: 'loud',
            talk: 'push',
            key: '<b>',
            microphone: { id: 'a', label: 'A' },
        })
        expect(read).toMatchObject({ gain: 20, gate: null, talk: 'push', key: 'ControlRight' })
        expect(read.microphone).toEqual({ id: 'a', label: 'A' })
        expect(choicesOf(null)).toEqual(choicesOf({}))
    })

    test('a device is found by its id, else by its name, else not', () => {
        const list = [
            { deviceId: '1', label: 'Desk' },
            { deviceId: '2', label: 'Headset' },
        ]
        expect(found({ id: '2', label: '' }, list)?.deviceId).toBe('2')
        expect(found({ id: 'changed', label: 'Headset' }, list)?.deviceId).toBe('2')
        expect(found({ id: 'gone', label: 'Gone' }, list)).toBeNull()
        expect(found({ id: 'gone', label: '' }, [{ deviceId: '3', label: '' }])).toBeNull()
    })
})

describe('push to talk', () => {
    function held(key: string, releaseMs = 0): { page: EventTarget; states: boolean[] } {
        const page = new EventTarget()
        const states: boolean[] = []
        new PushToTalk(page, { key: () => key, releaseMs: () => releaseMs, changed: (one) => states.push(one) })
        return { page, states }
    }
    const event = (type: string, rest: object): Event => Object.assign(new Event(type), rest)

    test('talks while its key is down, once for a repeating key', () => {
        const { page, states } = held('KeyV')
        page.dispatchEvent(event('keydown', { code: 'KeyX' }))
        page.dispatchEvent(event('keydown', { code: 'KeyV' }))
        page.dispatchEvent(event('keydown', { code: 'KeyV' }))
        page.dispatchEvent(event('keyup', { code: 'KeyV' }))
        expect(states).toEqual([true, false])
    })

    test('the release waits, and the lost focus does not', () => {
        vi.useFakeTimers()
        const { page, states } = held('Mouse3', 200)
        page.dispatchEvent(event('mousedown', { button: 3 }))
        page.dispatchEvent(event('mouseup', { button: 3 }))
        vi.advanceTimersByTime(199)
        expect(states).toEqual([true])
        vi.advanceTimersByTime(1)
        expect(states).toEqual([true, false])
        page.dispatchEvent(event('mousedown', { button: 3 }))
        page.dispatchEvent(new Event('blur'))
        expect(states).toEqual([true, false, true, false])
        vi.useRealTimers()
    })
})

describe('the doctor', () => {
    test('tells ways that are open from those that are only named', () => {
        const { udp, tcp, tripMs, lossShare } = summary([
            { kind: 'offer', protocol: 'udp', address: '203.0.113.5:7882' },
            { kind: 'offer', protocol: 'tcp', address: '203.0.113.5:7881' },
            { kind: 'pair', protocol: 'udp', address: '203.0.113.5:7882', isOpen: false, tripMs: null, isUsed: false },
            { kind: 'pair', protocol: 'tcp', address: '203.0.113.5:7881', isOpen: true, tripMs: 42, isUsed: true },
            { kind: 'loss', share: 0.01 },
        ])
        expect(udp).toEqual({ isOffered: true, isOpen: false, address: '203.0.113.5:7882', isPrivate: false })
        expect(tcp.isOpen).toBe(true)
        expect([tripMs, lossShare]).toEqual([42, 0.01])
    })

    test('knows addresses that others cannot reach', () => {
        const addresses = ['10.0.0.5:7882', '192.168.1.2', 'localhost:8000', '172.20.0.1', '[::1]:80', 'fd00::1']
        expect(addresses.filter(isPrivate)).toEqual(addresses)
        expect(['203.0.113.5:1', '172.33.0.1', 'relay.example.com', '11.0.0.1'].filter(isPrivate)).toEqual([])
    })
})

test('each refusal of a device has its own name', () => {
    const named = (name: string): Error => Object.assign(new Error(''), { name })
    expect(troubleOf(named('NotAllowedError'), true)).toBe('refused')
    expect(troubleOf(named('NotFoundError'), true)).toBe('absent')
    expect(troubleOf(named('NotReadableError'), true)).toBe('busy')
    expect(troubleOf(new TypeError(''), false)).toBe('insecure')
    expect(troubleOf(new TypeError(''), true)).toBe('failed')
})
