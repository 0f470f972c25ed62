import { describe, expect, it } from 'vitest'

import { best, score } from '../src/core/fuzzy/match'
import { EMOJI } from '../src/screens/feed/emoji'

describe('names', () => {
    it('are found without case and accents, the nearest first', () => {
        const names = ['Renée', 'Irene', 'ren', 'Karl', 'Ann Rendell']
        expect(best(names, 'REN', (one) => [one], 8)).toEqual(['ren', 'Renée', 'Ann Rendell', 'Irene'])
    })

    it('are all there before anything is typed, and never more than asked for', () => {
        expect(best(['a', 'b', 'c'], '', (one) => [one], 2)).toEqual(['a', 'b'])
    })

    it('count only where all letters stand in a row', () => {
        expect(score('general', 'gnl')).toBe(0)
    })
})

describe('the emoji', () => {
    it('are there once each and have words', () => {
        expect(new Set(EMOJI.map((one) => one.sign)).size).toBe(EMOJI.length)
        expect(EMOJI.every((one) => one.sign !== '' && one.words.length > 0)).toBe(true)
    })
})
