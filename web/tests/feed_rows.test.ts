import { describe, expect, it } from 'vitest'

import { PERMISSIONS } from '../src/core/permissions'
import { mentionsOf } from '../src/screens/feed/mentions'
import { actionsFor, rightsIn } from '../src/screens/feed/rights'
import { arrange, lastOwn } from '../src/screens/feed/rows'
import type { Message, Row, SyncClient } from '../src/sync/contract'

const MINUTE = 60_000

function message(id: number, minutes: number, author = '1', more: Partial<Message> = {}): Row & { kind: 'message' } {
    return {
        kind: 'message',
        message: {
            msg_id: String(id),
            author_id: author,
            body: `text ${id}`,
            timestamp: minutes * MINUTE,
            edit_timestamp: null,
            reply_to: null,
            mentions: [],
            pinned: false,
            attachments: [],
            reactions: [],
            ...more,
        } as Message,
    }
}

const options = { readTo: null, me: '1', dayOf: (ms: number) => String(Math.floor(ms / (24 * 60 * MINUTE))) }

function shapes(rows: readonly Row[], more: { readTo?: string | null } = {}): string[] {
    return arrange(rows, { ...options, ...more }).map((line) =>
        line.kind === 'message' ? `${line.message.msg_id}${line.first ? ' author' : ''}` : line.kind,
    )
}

describe('rows', () => {
    it('show the author again after another author, seven minutes, a reply or a new day', () => {
        const rows = [
            message(1, 0),
            message(2, 7),
            message(3, 15),
            message(4, 15, '2'),
            message(5, 15, '2', { reply_to: '1' }),
            message(6, 24 * 60, '2'),
        ]
        expect(shapes(rows)).toEqual(['day', '1 author', '2', '3 author', '4 author', '5 author', 'day', '6 author'])
    })

    it('never group what programs without a name wrote', () => {
        expect(shapes([message(1, 0, '0'), message(2, 0, '0')])).toEqual(['day', '1 author', '2 author'])
    })

    it('have the divider before the first unread message of another', () => {
        expect(shapes([message(1, 0, '2'), message(2, 1, '2')], { readTo: '1' })).toEqual([
            'day',
            '1 author',
            'new',
            '2 author',
        ])
        expect(shapes([message(1, 0), message(2, 1)], { readTo: '1' })).not.toContain('new')
        expect(shapes([message(9, 0, '2'), message(10, 1, '2')], { readTo: '9' })[2]).toBe('new')
    })

    it('never join what a gap divides', () => {
        expect(shapes([message(1, 0), { kind: 'gap', after: '1', before: '5' }, message(5, 1)])).toEqual([
            'day',
            '1 author',
            'gap',
            '5 author',
        ])
    })

    it('have keys of their own', () => {
        const lines = arrange([message(1, 0), message(2, 9000), message(3, 0)], { ...options, readTo: '1', me: null })
        expect(new Set(lines.map((line) => line.key)).size).toBe(lines.length)
    })

    it('know the last message of their reader', () => {
        expect(lastOwn([message(1, 0), message(2, 0, '2')], '1')?.msg_id).toBe('1')
        expect(lastOwn([message(2, 0, '2')], '1')).toBeNull()
    })
})

function client(mask: bigint, type = 'text'): SyncClient {
    return { permissionsIn: () => mask, layout: { feeds: [{ feed_id: '5', type }] } } as unknown as SyncClient
}

describe('rights', () => {
    const place = { kind: 'feed', id: '5' } as const
    const all = PERMISSIONS.SEND_MESSAGES | PERMISSIONS.ADD_REACTIONS

    it('say why one may not write', () => {
        expect(rightsIn(client(0n), place, '5', false).silent).toBe('permission')
        expect(rightsIn(client(all, 'announcement'), place, '5', false).silent).toBe('announcement')
        expect(rightsIn(client(all), { kind: 'thread', id: '9' }, '5', false).silent).toBe('permission')
        expect(rightsIn(client(PERMISSIONS.ADMINISTRATOR), { kind: 'thread', id: '9' }, '5', true).silent).toBe(
            'locked',
        )
        expect(rightsIn(client(all), place, '5', false).send).toBe(true)
    })

    it('offer for the messages of others only what is allowed', () => {
        const { message: theirs } = message(3, 0, '2')
        const { message: own } = message(4, 0)
        const plain = rightsIn(client(all), place, '5', false)
        const moderator = rightsIn(client(all | PERMISSIONS.MANAGE_MESSAGES), place, '5', false)
        expect(actionsFor(theirs, plain, '1', place)).not.toContain('remove')
        expect(actionsFor(theirs, plain, '1', place)).not.toContain('edit')
        expect(actionsFor(theirs, plain, '1', place)).not.toContain('pin')
        expect(actionsFor(theirs, moderator, '1', place)).toEqual(expect.arrayContaining(['remove', 'pin']))
        expect(actionsFor(theirs, moderator, '1', place)).not.toContain('edit')
        expect(actionsFor(own, plain, '1', place)).toEqual(expect.arrayContaining(['edit', 'remove']))
        expect(actionsFor({ ...own, pinned: true }, moderator, '1', place)).toContain('unpin')
    })
})

describe('mentions', () => {
    it('are those outside of code, each once', () => {
        expect(mentionsOf('<@1> **<@2>** `<@3>` <@1>\n> <@4>\n- <@5>\n```\n<@6>\n```')).toEqual(['1', '2', '4', '5'])
        expect(mentionsOf('@everyone')).toEqual(['0'])
        expect(mentionsOf('`@everyone` a@everyone.example')).toEqual([])
    })
})
