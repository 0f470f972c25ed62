/** Every event that the server documents has an arm, is told to screens, belongs to messages, or is named as ignored. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { APPLIED, IGNORED, MESSAGE_EVENTS, TOLD } from '../../src/store/apply'

const DOCS = resolve(dirname(fileURLToPath(import.meta.url)), '../../../docs/protocols')
const EVENT = /^\| ((?:`[a-z_]+`(?:, )?)+) \|/gm

function documented(): string[] {
    const text = readFileSync(`${DOCS}/chat-events.md`, 'utf8')
    const rows = [...text.matchAll(EVENT)].flatMap((row) => [...row[1]!.matchAll(/`([a-z_]+)`/g)])
    return rows.map((found) => found[1]!)
}

/** Frames of the gateway that are no events of the community. */
const FRAMES = ['presence_batch', 'delivery_status']
const KNOWN = [...APPLIED, ...TOLD, ...MESSAGE_EVENTS, ...IGNORED]

test('the list of events is found', () => {
    expect(documented().length).toBeGreaterThan(70)
})

test('no documented event is forgotten', () => {
    expect(documented().filter((event) => !KNOWN.includes(event))).toEqual([])
})

test('nothing is named that is not documented', () => {
    const events = [...documented(), ...FRAMES]
    expect(KNOWN.filter((event) => !events.includes(event))).toEqual([])
})

test('what is ignored is neither applied nor told', () => {
    expect(IGNORED.filter((event) => [...APPLIED, ...TOLD, ...MESSAGE_EVENTS].includes(event))).toEqual([])
})
