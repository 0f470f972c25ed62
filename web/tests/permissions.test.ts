import { expect, test } from 'vitest'

import { holds, maskOf, PERMISSIONS } from '../src/core/permissions'

test('a mask beyond 2^53 keeps every bit', () => {
    const mask = maskOf('4611686018427387905')
    expect(mask).toBe(PERMISSIONS.ADMINISTRATOR | PERMISSIONS.VIEW_SPACE)
})

test('an administrator holds everything, others what their mask has', () => {
    expect(holds(PERMISSIONS.ADMINISTRATOR, 'MANAGE_ROLES')).toBe(true)
    expect(holds(PERMISSIONS.SEND_MESSAGES, 'SEND_MESSAGES')).toBe(true)
    expect(holds(PERMISSIONS.SEND_MESSAGES, 'MANAGE_ROLES')).toBe(false)
})

test.each(['', '-1', 'x', '1e3'])('%s is no mask', (text) => {
    expect(maskOf(text)).toBe(0n)
})
