import { describe, expect, test } from 'vitest'

import { noteOf, withNote } from '../src/screens/members/notes'
import { mayGive, obstacle, timeoutObstacle } from '../src/screens/members/rank'
import { byName, memberRows, visibleRows } from '../src/screens/members/rows'
import type { Member, Role } from '../src/store/entities'

const role = (role_id: string, position: number, permissions = '0'): Role => ({
    role_id,
    name: `role ${role_id}`,
    color: null,
    permissions,
    position,
})
const ROLES = [role('1', 0), role('2', 1, (1n << 62n).toString()), role('3', 2), role('4', 3)]
const member = (user_id: string, name: string, ...role_ids: string[]): Member => ({ user_id, username: name, role_ids })
const KICK = 1n << 29n

describe('the list of members', () => {
    const words = { online: 'Online', offline: 'Offline' }
    const people = [
        member('10', 'zoe', '4', '3'),
        member('11', 'Adam', '4'),
        member('12', 'eve'),
        member('13', 'bea', '3'),
    ]

    test('stands by the highest role, then by name, and who is away comes last', () => {
        const rows = memberRows(byName(people, 'en'), ROLES, (id) => id !== '13', words)
        expect(rows.map((one) => (one.kind === 'heading' ? `${one.name} ${one.count}` : one.member.username))).toEqual([
            'role 3 1',
            'zoe',
            'role 4 1',
            'Adam',
            'Online 1',
            'eve',
            'Offline 1',
            'bea',
        ])
    })

    test('leaves out who has left', () => {
        expect(byName([{ ...member('1', 'x'), left: true }], 'en')).toEqual([])
    })

    test('draws only what is seen of five thousand rows', () => {
        expect(visibleRows(5000, 48, { top: 48_000, height: 600 })).toEqual({ from: 992, to: 1021 })
        expect(visibleRows(3, 48, { top: 0, height: 600 })).toEqual({ from: 0, to: 3 })
    })
})

describe('who may act on whom', () => {
    const me = { me: member('1', 'me', '3'), roles: ROLES, permissions: KICK }

    test.each([
        ['oneself', member('1', 'me', '3'), 'self'],
        ['an administrator', member('2', 'a', '2'), 'administrator'],
        ['an equal', member('2', 'a', '3'), 'equal'],
        ['a lower role', member('2', 'a', '4'), null],
        ['nobody’s role', member('2', 'a'), null],
    ])('%s', (_, target, why) => expect(obstacle(me, target, 'KICK_MEMBERS')).toBe(why))

    test('a higher role', () => {
        const low = { ...me, me: member('1', 'me', '4') }
        expect(obstacle(low, member('2', 'a', '3'), 'KICK_MEMBERS')).toBe('above')
        expect(obstacle({ ...low, permissions: 0n }, member('2', 'a'), 'KICK_MEMBERS')).toBe('permission')
    })

    test('administrators are removed by administrators, and timed out by none', () => {
        const admin = { ...me, me: member('1', 'me', '2'), permissions: 1n << 62n }
        expect(obstacle(admin, member('2', 'a', '2'), 'KICK_MEMBERS')).toBe(null)
        expect(timeoutObstacle(admin, member('2', 'a', '2'))).toBe('administrator')
    })

    test('roles below one’s own are given, and never the one that all have', () => {
        const manager = { ...me, permissions: 1n << 25n }
        expect(ROLES.filter((one) => mayGive(manager, one)).map((one) => one.role_id)).toEqual(['4'])
    })
})

test('a note is kept, and gone when it is empty', () => {
    const noted = withNote({ other: 1 }, '7', ' met at the fair ')
    expect(noteOf(noted, '7')).toBe('met at the fair')
    expect(withNote(noted, '7', '  ')).toEqual({ other: 1, notes: {} })
    expect(noteOf({ notes: 'broken' }, '7')).toBe('')
})
