/** What one user knows of the community, except messages: the snapshot, and one arm for each event that changes it. */
import type { Id } from '../core/ids'
import { maskOf } from '../core/permissions'
import type {
    Conversation,
    Emoji,
    Layout,
    Mark,
    Member,
    Override,
    PlaceKey,
    Presence,
    Role,
    Settings,
    Sticker,
    Thread,
    VoiceState,
} from './entities'
import { baseMask, everyoneRole, maskIn } from './rights'

/** What changed, by the parts that a page subscribes to; `reload-…`: to be read again over REST. */
export type Part =
    | 'me'
    | 'server'
    | 'layout'
    | 'roles'
    | 'rights'
    | 'members'
    | 'marks'
    | 'dms'
    | 'emoji'
    | 'stickers'
    | 'timeouts'
    | 'interrupted'
    | 'presences'
    | 'threads'
    | 'followed'
    | 'settings'
    | 'voice'
    | 'reload-layout'
    | 'reload-roles'
    | 'reload-settings'

export interface State {
    me: Member | null
    serverName: string
    layout: Layout
    roles: Role[]
    permissions: bigint
    spaces: Map<Id, bigint>
    members: Map<Id, Member>
    marks: Map<PlaceKey, Mark>
    dms: Conversation[]
    emoji: Emoji[]
    stickers: Sticker[]
    presences: Map<Id, Presence>
    /** Until when people may not write, in Unix seconds. */
    timeouts: Map<Id, number>
    /** The server says that events are missing for now. */
    isInterrupted: boolean
    threads: Map<Id, Thread>
    followed: { feeds: Set<Id>; threads: Set<Id> }
    settings: Settings
    voice: Map<Id, VoiceState>
}

export function emptyState(): State {
    return {
        me: null,
        serverName: '',
        layout: { categories: [], feeds: [], rooms: [] },
        roles: [],
        permissions: 0n,
        spaces: new Map(),
        members: new Map(),
        marks: new Map(),
        dms: [],
        emoji: [],
        stickers: [],
        presences: new Map(),
        timeouts: new Map(),
        isInterrupted: false,
        threads: new Map(),
        followed: { feeds: new Set(), threads: new Set() },
        settings: { revision: 0, settings: {} },
        voice: new Map(),
    }
}

interface Snapshot {
    me: Member | null
    layout: Layout
    permissions: string
    feed_permissions: { feed_id: Id; permissions: string }[]
    room_permissions: { room_id: Id; permissions: string }[]
    roles: Role[]
    emoji: Emoji[]
    stickers?: Sticker[]
    dms: Conversation[]
    marks: Mark[]
    followed: { feed_ids: Id[]; thread_ids: Id[] }
    settings: Settings
    /** Absent at servers of before this field. */
    voice?: (VoiceState & { room_id: Id })[]
}

/** The key of a mark's place. */
export function markKey(mark: { feed_id?: Id; dm_id?: Id }): PlaceKey {
    return mark.feed_id === undefined ? `dm:${mark.dm_id}` : `feed:${mark.feed_id}`
}

/** What `ready` says replaces all but members and threads, which are only added to. */
export function fromReady(ready: Record<string, unknown>, before: State): State {
    const snapshot = ready.snapshot as Snapshot | undefined
    if (snapshot === undefined) return before
    const members = new Map(before.members)
    if (snapshot.me !== null) members.set(snapshot.me.user_id, snapshot.me)
    const marks = snapshot.marks.map((mark): [PlaceKey, Mark] => [
        markKey(mark),
        // With ids as texts, this number is one too: the field has the name of a list of ids.
        { ...mark, unread: Number(mark.unread), mentions: Number(mark.mentions) },
    ])
    const presences = (ready.presences as Presence[] | undefined) ?? []
    return {
        me: snapshot.me,
        serverName: typeof ready.server_name === 'string' ? ready.server_name : before.serverName,
        layout: snapshot.layout,
        roles: snapshot.roles,
        permissions: maskOf(snapshot.permissions),
        spaces: new Map([
            ...snapshot.feed_permissions.map((one): [Id, bigint] => [`feed:${one.feed_id}`, maskOf(one.permissions)]),
            ...snapshot.room_permissions.map((one): [Id, bigint] => [`room:${one.room_id}`, maskOf(one.permissions)]),
        ]),
        members,
        // The server keeps none of threads.
        marks: new Map([...marks, ...[...before.marks].filter(([key]) => key.startsWith('thread:'))]),
        dms: snapshot.dms,
        emoji: snapshot.emoji,
        stickers: snapshot.stickers ?? [],
        timeouts: before.timeouts,
        isInterrupted: false,
        presences: new Map(presences.map((one) => [one.user_id, one])),
        threads: before.threads,
        followed: { feeds: new Set(snapshot.followed.feed_ids), threads: new Set(snapshot.followed.thread_ids) },
        settings: snapshot.settings,
        voice: new Map(
            (snapshot.voice ?? []).map(({ room_id, members, guests }): [Id, VoiceState] => [
                room_id,
                { members, guests },
            ]),
        ),
    }
}

/** The user's masks by roles and overrides as they are now. */
export function computeRights(state: State): void {
    const me = state.me
    if (me === null) return
    const held = me.role_ids ?? []
    const everyone = everyoneRole(state.roles)?.role_id ?? null
    state.permissions = baseMask(state.roles, held)
    const of = (overrides: Override[]): bigint => maskIn(state.permissions, overrides, everyone, held, me.user_id)
    state.spaces = new Map([
        ...state.layout.feeds.map((one): [Id, bigint] => [`feed:${one.feed_id}`, of(one.permission_overrides)]),
        ...state.layout.rooms.map((one): [Id, bigint] => [`room:${one.room_id}`, of(one.permission_overrides)]),
    ])
}

/** Replaces the layout, as `GET /server/layout` gave it. */
export function setLayout(state: State, layout: Layout): Part[] {
    state.layout = layout
    for (const feed of layout.feeds) {
        const key = `feed:${feed.feed_id}`
        if (!state.marks.has(key))
            state.marks.set(key, {
                feed_id: feed.feed_id,
                last_read_msg_id: null,
                last_msg_id: null,
                unread: 0,
                mentions: 0,
            })
    }
    const known = new Set(layout.feeds.map((one) => `feed:${one.feed_id}`))
    for (const key of state.marks.keys()) if (key.startsWith('feed:') && !known.has(key)) state.marks.delete(key)
    computeRights(state)
    return ['layout', 'rights', 'marks']
}
