import { readFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import {
    beyond,
    byRank,
    maskFor,
    mayManage,
    positionsFor,
    rankOf,
    reasonFor,
    type RankedRole,
    type SpaceOverride,
} from '../src/core/permission_rules'
import { holds, PERMISSIONS, type Permission } from '../src/core/permissions'
import { baseMask, everyoneRole, maskIn } from '../src/store/rights'

interface Vector {
    roles: RankedRole[]
    user: string
    held: string[]
    overrides: SpaceOverride[]
    community: string
    space: string
}

// Written by the server's own tests.
const VECTORS = JSON.parse(
    readFileSync(new URL('./fixtures/permissions.json', import.meta.url), 'utf8'),
) as readonly Vector[]
const NAMES = Object.keys(PERMISSIONS) as Permission[]

test('masks equal those of the server', () => {
    for (const { roles, user, held, overrides, community, space } of VECTORS) {
        expect(String(maskFor(roles, user, held, null))).toBe(community)
        expect(String(maskFor(roles, user, held, overrides))).toBe(space)
    }
})

test('the store computes what the server computes', () => {
    for (const { roles, user, held, overrides, community, space } of VECTORS) {
        const known = roles.map((role) => ({ ...role, color: null }))
        const base = baseMask(known, held)
        expect(String(base)).toBe(community)
        expect(String(maskIn(base, overrides, everyoneRole(known)?.role_id ?? null, held, user))).toBe(space)
    }
})

test('a reason says of each permission what the mask says', () => {
    for (const { roles, user, held, overrides, community, space } of VECTORS) {
        for (const permission of NAMES) {
            const asked = { user, held, permission }
            expect(reasonFor(roles, { ...asked, overrides: null }).holds).toBe(holds(BigInt(community), permission))
            expect(reasonFor(roles, { ...asked, overrides }).holds).toBe(holds(BigInt(space), permission))
        }
    }
})

describe('ranks', () => {
    const role = (role_id: string, position: number, name = `role ${role_id}`): RankedRole => ({
        role_id,
        name,
        permissions: '0',
        position,
    })
    const roles = [role('1', 0, '@everyone'), role('2', 3), role('3', 1), role('4', 3)]

    test('the highest comes first and everyone last', () => {
        expect(byRank(roles).map((one) => one.role_id)).toEqual(['3', '2', '4', '1'])
    })

    test('a rank is the best position held, and one manages what stands strictly below', () => {
        expect(rankOf(roles, ['2', '3'])).toBe(1)
        expect(rankOf(roles, [])).toBe(Infinity)
        expect(mayManage(0n, 1, { position: 3 })).toBe(true)
        expect(mayManage(0n, 3, { position: 3 })).toBe(false)
        expect(mayManage(0n, Infinity, { position: 3 })).toBe(false)
        expect(mayManage(PERMISSIONS.ADMINISTRATOR, Infinity, { position: 0 })).toBe(true)
    })

    test('one gives only what one holds', () => {
        expect(beyond(PERMISSIONS.SPEAK, PERMISSIONS.SPEAK | PERMISSIONS.STREAM)).toBe(PERMISSIONS.STREAM)
        expect(beyond(PERMISSIONS.ADMINISTRATOR, PERMISSIONS.STREAM)).toBe(0n)
    })

    test('an order changes as few positions as it can, and stays below what stands above', () => {
        const [a, b, c] = [role('5', 2), role('6', 3), role('7', 4)]
        expect(positionsFor([a, b, c], 1)).toEqual([])
        expect(positionsFor([b, a, c], 1)).toEqual([
            { role_id: '5', position: 4 },
            { role_id: '7', position: 5 },
        ])
        expect(positionsFor([role('8', 1)], 1)).toEqual([{ role_id: '8', position: 2 }])
    })
})
