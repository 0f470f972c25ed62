/** Every language has the words of every screen, of the same kinds. */
import { describe, expect, test } from 'vitest'

import { words as arabic } from '../src/words/ar'
import { counted } from '../src/words/ar/plural'
import { words as german } from '../src/words/de'
import { words as frame } from '../src/words/en'
import { failures, sentences } from '../src/words/errors'
import { lengthened } from '../src/words/pseudo'

/** The words of all screens, by the names that they export; the frame's are called `words`. */
function english(): Record<string, unknown> {
    const modules = import.meta.glob<Record<string, unknown>>('../src/words/en/*.ts', { eager: true })
    const screens = Object.values(modules).flatMap((module) => Object.entries(module))
    return {
        errors: sentences,
        failures,
        frame,
        ...Object.fromEntries(screens.filter(([, one]) => typeof one === 'object')),
    }
}

function kinds(value: unknown, path = ''): string[] {
    if (typeof value !== 'object' || value === null) return [`${path}: ${typeof value}`]
    return Object.entries(value).flatMap(([key, inner]) => kinds(inner, `${path}.${key}`))
}

describe.each([
    ['de', german],
    ['ar', arabic],
])('%s', (_, words) => {
    test('has no word that no screen knows', () => {
        const known = new Set(kinds(english()))
        expect(kinds(words).filter((one) => !known.has(one))).toEqual([])
    })
})

test('Arabic counts in its six forms', () => {
    const forms = { one: '1', two: '2', few: 'few', many: 'many', other: 'other' }
    expect([1, 2, 3, 11, 100].map((count) => counted(count, forms))).toEqual([
        '1',
        '2',
        '3 few',
        '11 many',
        '100 other',
    ])
})

test('the pseudo-language is two fifths longer, in words, tables and functions', () => {
    const table = lengthened({ a: 'Save the text', b: { c: (name: string) => `Hello ${name}` } }) as {
        a: string
        b: { c: (name: string) => string }
    }
    expect(table.a.length).toBeGreaterThanOrEqual('Save the text'.length * 1.4)
    expect(table.b.c('x')).toMatch(/^\[Hëllö x·+\]$/)
})
