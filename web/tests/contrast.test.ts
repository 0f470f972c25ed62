import { expect, test } from 'vitest'

import { contrast, ENOUGH, hexOf, readable, rgbOf, SURFACES } from '../src/core/contrast'

test('black on white has the most contrast there is, a colour on itself none', () => {
    expect(contrast(0, 0xffffff)).toBeCloseTo(21)
    expect(contrast(0x123456, 0x123456)).toBeCloseTo(1)
})

test('every colour becomes one that can be read on both themes', () => {
    for (const surface of Object.values(SURFACES))
        for (const colour of [0, 0xffffff, 0xffff00, 0x0000ff, 0x808080, 0xff00ff])
            expect(contrast(readable(colour, surface), surface)).toBeGreaterThanOrEqual(ENOUGH)
})

test('a colour that can be read stays as it is', () => {
    expect(readable(0x0d6a5b, SURFACES.light)).toBe(0x0d6a5b)
    expect(rgbOf(hexOf(0x00010f))).toBe(0x00010f)
})
