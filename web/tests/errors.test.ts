/** Every code that the server can refuse with has a sentence. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { ApiError } from '../src/api/http'
import { OWN_WORDS, sentenceOf, sentences } from '../src/words/errors'

const TABLE = resolve(dirname(fileURLToPath(import.meta.url)), '../../src/vox/chat/errors.py')

function codes(): string[] {
    const text = readFileSync(TABLE, 'utf8')
    const table = text.slice(text.indexOf('STATUS'), text.indexOf('HTTP status by wire code'))
    return [...table.matchAll(/^ {4}"([0-9A-Z_]+)": \d{3},$/gm)].map((found) => found[1]!)
}

test('the table of codes is found', () => expect(codes().length).toBeGreaterThan(90))

test('no code is without a sentence', () => {
    expect(codes().filter((code) => sentences[code] === undefined && !OWN_WORDS.includes(code))).toEqual([])
})

test('no sentence is of a code that does not exist', () => {
    const own = ['NETWORK', 'TIMEOUT', 'NOT_UNDERSTOOD', 'VIEWING_AS']
    expect(Object.keys(sentences).filter((code) => !codes().includes(code) && !own.includes(code))).toEqual([])
})

test('a refusal with a time says when to try again', () => {
    expect(sentenceOf(new ApiError(429, 'SLOW_MODE', '', 12_000))).toMatch(/slow mode.*12 seconds/)
})

test('where the server has the better words, they are shown', () => {
    expect(sentenceOf(new ApiError(403, 'MESSAGE_BLOCKED', 'No links in this community.'))).toBe(
        'No links in this community.',
    )
})
