import { describe, expect, it } from 'vitest'

import { askedAt, emoji, feeds, people } from '../src/screens/feed/suggest'

describe('what is asked for', () => {
    it.each([
        ['hello @an', '@', 'an'],
        ['@', '@', ''],
        ['(#gen', '#', 'gen'],
        ['nice :smi', ':', 'smi'],
    ])('%s', (text, sign, query) => expect(askedAt(text, text.length)).toMatchObject({ sign, query }))

    it.each(['a@b', ':)', ':s', 'at 10:30', '@ann and', '<@12>', ''])('is nothing in %s', (text) =>
        expect(askedAt(text, text.length)).toBeNull(),
    )

    it('is looked for at the caret', () => {
        expect(askedAt('@an rest', 3)).toEqual({ sign: '@', query: 'an', start: 0 })
        expect(askedAt('@an rest', 8)).toBeNull()
    })
})

describe('suggestions', () => {
    it('are people by each of their names, and everyone where that is allowed', () => {
        const known = [
            { user_id: '1', username: 'ann', display_name: 'Queen' },
            { user_id: '2', username: 'bob' },
        ]
        expect(people(known, 'quee', false)).toEqual([{ key: '1', label: 'Queen (ann)', text: '<@1> ' }])
        expect(people(known, 'eve', true)[0]?.text).toBe('@everyone ')
        expect(people(known, 'eve', false)).toEqual([])
    })

    it('are feeds and emoji, at most eight', () => {
        expect(feeds([{ feed_id: '5', name: 'general' }], 'gen')[0]?.text).toBe('<#5> ')
        const many = Array.from({ length: 20 }, (_, index) => ({ sign: String(index), words: ['smile'] }))
        expect(emoji(many, 'smi')).toHaveLength(8)
    })
})
