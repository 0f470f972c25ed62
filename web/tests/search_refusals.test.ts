import { expect, test } from 'vitest'

import { ApiError } from '../src/api/http'
import { refusalOf } from '../src/screens/search/state.svelte'

test('no right, a place that is gone, and a search that was given up are different sentences', () => {
    const sentences = [403, 404, 503, 429, 0].map((status) => refusalOf(new ApiError(status, 'X', '')))
    expect(new Set(sentences).size).toBe(5)
    expect(refusalOf(new ApiError(503, 'UNAVAILABLE', ''))).toContain('Try again')
})
