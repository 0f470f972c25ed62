import { expect, test } from 'vitest'

import { highlight } from '../src/screens/feed/highlight'

test('code gets colours and loses no letter', () => {
    const code = 'const a = "<script>" // </pre>\nreturn 1'
    const pieces = highlight(code, 'js')!
    expect(pieces.map((one) => one.text).join('')).toBe(code)
    expect(pieces.find((one) => one.text === 'const')?.colour).toBe('keyword')
    expect(pieces.find((one) => one.text.includes('<script>'))?.colour).toBe('string')
})

test('an unknown language and very long code stay as they are', () => {
    expect(highlight('x', 'klingon')).toBeNull()
    expect(highlight('x'.repeat(30_000), 'js')).toBeNull()
})
