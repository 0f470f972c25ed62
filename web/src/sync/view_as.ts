/** The whole client with the rights of one role, as the server would give them to a member who has nothing else. */
import { ApiError, type RequestOptions } from '../api/http'
import type { Id } from '../core/ids'
import { maskFor } from '../core/permission_rules'
import { holds } from '../core/permissions'
import type { Layout } from '../store/entities'
import type { Place, PlaceView, SyncClient } from './contract'

/** Rights that nobody has by a role: places of one's own, which a view has none of. */
const NOTHING = 0n

function refuse(): Promise<never> {
    return Promise.reject(new ApiError(403, 'VIEWING_AS', ''))
}

/** A view of a place that may not be read, or not be written to. */
function seenPlace(view: PlaceView, isReadable: boolean): PlaceView {
    const own: Partial<Record<keyof PlaceView, unknown>> = {
        send: () => undefined,
        markRead: () => undefined,
        isTyping: () => undefined,
        edit: refuse,
        remove: refuse,
        react: refuse,
        pin: refuse,
        markUnreadFrom: refuse,
    }
    return new Proxy(view, {
        get(target, name: string | symbol): unknown {
            if (!isReadable && name === 'state') return 'forbidden'
            if (!isReadable && (name === 'rows' || name === 'pending')) return []
            if (Object.hasOwn(own, name)) return own[name as keyof PlaceView]
            const value: unknown = Reflect.get(target, name, target)
            return typeof value === 'function' ? (value as (...all: unknown[]) => unknown).bind(target) : value
        },
        set: (target, name, value) => Reflect.set(target, name, value, target),
    })
}

/** The client as a member sees it who has this role and nothing else. It reads, and changes nothing. */
export function seenAs(client: SyncClient, role: Id): SyncClient {
    const maskIn = (kind: 'feed' | 'room', id: Id): bigint => {
        const { feeds, rooms } = client.layout
        const space =
            kind === 'feed' ? feeds.find((one) => one.feed_id === id) : rooms.find((one) => one.room_id === id)
        // What one does not see oneself, one cannot show either.
        return space === undefined ? NOTHING : maskFor(client.roles, null, [role], space.permission_overrides)
    }
    const permissionsIn = (id: Id, kind?: 'feed' | 'room'): bigint =>
        kind === undefined ? maskIn('feed', id) || maskIn('room', id) : maskIn(kind, id)
    const layout = (): Layout => ({
        categories: client.layout.categories,
        feeds: client.layout.feeds.filter((one) => holds(maskIn('feed', one.feed_id), 'VIEW_SPACE')),
        rooms: client.layout.rooms.filter((one) => holds(maskIn('room', one.room_id), 'VIEW_SPACE')),
    })
    const feedOf = ({ kind, id }: Place): Id | null =>
        kind === 'feed' ? id : kind === 'thread' ? (client.thread(id)?.parent_feed_id ?? null) : null
    // A search would find what one may read oneself.
    const mayRead = (path: string): boolean => {
        const feed = /^feeds\/(\d+)\//.exec(path)?.[1]
        if (feed !== undefined) return holds(maskIn('feed', feed), 'READ_HISTORY')
        return /^(members|users|roles|emoji|stickers|client|server)\b/.test(path) && !path.startsWith('users/@me')
    }
    const own: Record<string, () => unknown> = {
        permissions: () => maskFor(client.roles, null, [role], null),
        permissionsIn: () => permissionsIn,
        layout,
        dms: () => [],
        me: () => client.me && { ...client.me, role_ids: [role] },
        mark: () => () => null,
        open: () => (place: Place) => {
            const feed = feedOf(place)
            const isReadable = feed !== null && holds(maskIn('feed', feed), 'READ_HISTORY')
            return seenPlace(client.open(place), isReadable)
        },
        request:
            () =>
            (path: string, options: RequestOptions = {}) =>
                (options.method ?? 'GET') === 'GET' && mayRead(path) ? client.request(path, options) : refuse(),
        follow: () => refuse,
        say: () => () => undefined,
    }
    return new Proxy(client, {
        get(target, name: string | symbol): unknown {
            if (typeof name === 'string' && Object.hasOwn(own, name)) return own[name]!()
            const value: unknown = Reflect.get(target, name, target)
            return typeof value === 'function' ? (value as (...all: unknown[]) => unknown).bind(target) : value
        },
    })
}
