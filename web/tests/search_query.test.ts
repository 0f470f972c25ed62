import fc from 'fast-check'
import { expect, test } from 'vitest'

import { dayText, filterAt, startOfDay, takeApart, wordsOf } from '../src/core/search_query'

test('filters are taken out of the text, the last of a name counts', () => {
    expect(takeApart('from:ada apple  pie from:@bob has:file')).toEqual({
        words: 'apple pie',
        filters: [
            { name: 'from', value: 'bob' },
            { name: 'has', value: 'file' },
        ],
    })
    expect(takeApart('in:"two words" x pinned:').filters).toEqual([
        { name: 'in', value: 'two words' },
        { name: 'pinned', value: '' },
    ])
})

test('what only looks like a filter stays in the text', () => {
    for (const text of ['see:me', 'https://from:ada@example.org', 'before', 'from: ada'])
        expect(takeApart(text)).toEqual({ words: text, filters: [] })
})

test('the filter before the caret is what is completed', () => {
    expect(filterAt('apple from:ad', 13)).toEqual({ name: 'from', value: 'ad', start: 6 })
    expect(filterAt('apple from:ad pie', 17)).toBeNull()
    expect(filterAt('in:', 3)).toEqual({ name: 'in', value: '', start: 0 })
})

test('days that do not exist are none', () => {
    expect(startOfDay('2026-02-30')).toBeNull()
    expect(startOfDay('30.11.2026')).toBeNull()
    expect(dayText(startOfDay('2026-2-3')!)).toBe('2026-02-03')
})

test('quoted words are marked together', () => {
    expect(wordsOf('a "b c" d')).toEqual(['a', 'b c', 'd'])
})

test('no text breaks the parser, and nothing is lost but space', () => {
    fc.assert(
        fc.property(fc.string({ unit: 'grapheme' }), (text) => {
            const { words, filters } = takeApart(text)
            if (filters.length === 0) expect(words).toBe(text.replace(/\s+/g, ' ').trim())
            filterAt(text, text.length)
            wordsOf(text)
        }),
    )
})
