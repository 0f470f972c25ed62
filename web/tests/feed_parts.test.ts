import { describe, expect, test } from 'vitest'

import { ApiError } from '../src/api/http'
import { idAtTime, timeOfId } from '../src/core/snowflake'
import { cardOf, webAddress } from '../src/screens/feed/embeds'
import { marked } from '../src/screens/feed/found'
import { changeSettings, levelOf, withLevel } from '../src/screens/feed/levels'

test('ids and times are the same thing', () => {
    expect(timeOfId(idAtTime(1_790_000_000_000))).toBe(1_790_000_000_000)
    expect(idAtTime(-5)).toBe('0')
    expect(idAtTime(Date.UTC(2100, 0))).toBe('9223372036854775807')
})

describe('embeds are the words of a stranger', () => {
    test('only addresses of the web lead anywhere', () => {
        for (const wrong of ['javascript:alert(1)', 'data:text/html,x', '//x', 'x', 5, null])
            expect(webAddress(wrong)).toBe('')
        expect(webAddress('https://example.org/a')).toBe('https://example.org/a')
    })

    test('wrong types make no card, and no exception', () => {
        expect(cardOf({ title: 5, fields: 'x', image: {}, image_width: 'wide' })).toBeNull()
        expect(cardOf({ title: 't', fields: [null, { name: 'n' }, { name: 'n', value: 'v' }] })?.fields).toEqual([
            { name: 'n', value: 'v' },
        ])
    })
})

test('hits are marked without regard to case, and all text stays', () => {
    const parts = marked('Apple pie with apples', ['apple', 'PIE'])
    expect(parts.filter((one) => one.hit).map((one) => one.text)).toEqual(['Apple', 'pie', 'apple'])
    expect(parts.map((one) => one.text).join('')).toBe('Apple pie with apples')
    expect(marked('İstanbul', ['i'])).toEqual([{ text: 'İstanbul', hit: false }])
})

describe('how loud a place is', () => {
    const place = { kind: 'feed', id: '7' } as const

    test('a choice stands beside everything else that is set', () => {
        const before = { theme: 'dark', notifications: { level: 'all', places: { 'dm:1': { level: 'nothing' } } } }
        const after = withLevel(before, place, { level: 'mentions' })
        expect(after).toEqual({
            theme: 'dark',
            notifications: {
                level: 'all',
                places: { 'dm:1': { level: 'nothing' }, 'feed:7': { level: 'mentions' } },
            },
        })
        expect(levelOf(after, place)).toEqual({ level: 'mentions' })
        expect(withLevel(after, place, null)).toEqual(before)
    })

    test('what another device changed meanwhile is kept', async () => {
        const stored = { revision: 1, settings: {} as Record<string, unknown> }
        let races = 1
        const asker = {
            request: async <T>(_: string, options?: { method?: string; body?: unknown }): Promise<T> => {
                if (options?.method !== 'PUT') return { ...stored } as T
                if (races-- > 0) {
                    stored.revision = 2
                    stored.settings = { theme: 'dark' }
                    throw new ApiError(409, 'SETTINGS_CONFLICT', '')
                }
                stored.settings = (options.body as typeof stored).settings
                return undefined as T
            },
        }
        await changeSettings(asker, (settings) => withLevel(settings, place, { level: 'all' }))
        expect(stored.settings).toEqual({ theme: 'dark', notifications: { places: { 'feed:7': { level: 'all' } } } })
    })
})
