/** Feeds and rooms as one tree: categories in order, and in each what stands there, in one order. */
import type { Id } from '../../core/ids'
import type { Layout, Override } from '../../store/entities'
import { server as words } from '../../words/en/server'

export const TYPES = ['text', 'forum', 'announcement', 'voice', 'stage'] as const

export interface Leaf {
    key: string
    kind: 'feed' | 'room'
    id: Id
    name: string
    topic: string | null
    type: (typeof TYPES)[number]
    category: Id | null
    position: number
    overrides: readonly Override[]
}

export interface Branch {
    /** null: what stands in no category. */
    id: Id | null
    name: string
    leaves: Leaf[]
}

export function leavesOf({ feeds, rooms }: Layout): Leaf[] {
    return [
        ...feeds.map((one): Leaf => ({
            key: `feed:${one.feed_id}`,
            kind: 'feed',
            id: one.feed_id,
            name: one.name,
            topic: one.topic,
            type: one.type,
            category: one.category_id,
            position: one.position,
            overrides: one.permission_overrides,
        })),
        ...rooms.map((one): Leaf => ({
            key: `room:${one.room_id}`,
            kind: 'room',
            id: one.room_id,
            name: one.name,
            topic: null,
            type: one.type,
            category: one.category_id,
            position: one.position,
            overrides: one.permission_overrides,
        })),
    ]
}

export function treeOf(layout: Layout): Branch[] {
    const leaves = leavesOf(layout)
    const known = new Set(layout.categories.map((one) => one.category_id))
    const within = (id: Id | null): Leaf[] =>
        leaves
            .filter((one) => (one.category !== null && known.has(one.category) ? one.category : null) === id)
            .toSorted((a, b) => a.position - b.position || (BigInt(a.id) < BigInt(b.id) ? -1 : 1))
    const loose = within(null)
    return [
        ...(loose.length === 0 ? [] : [{ id: null, name: words.spaces.noCategory, leaves: loose }]),
        ...layout.categories
            .toSorted((a, b) => a.position - b.position)
            .map((one) => ({ id: one.category_id, name: one.name, leaves: within(one.category_id) })),
    ]
}
