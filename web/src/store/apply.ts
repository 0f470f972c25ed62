/** One arm for each event that changes the state outside of messages. Applying an event twice is the same as once. */
import type { Id } from '../core/ids'
import type {
    Conversation,
    Feed,
    Member,
    Override,
    Presence,
    Role,
    Room,
    Sticker,
    Thread,
    VoiceGuest,
    VoiceMember,
} from './entities'
import { computeRights, type Part, type State } from './state'

type Data = Record<string, unknown>

/** Events of messages and marks, which `sync` applies where messages are kept. */
export const MESSAGE_EVENTS = [
    'message_create',
    'message_update',
    'message_delete',
    'message_bulk_delete',
    'message_reaction_add',
    'message_reaction_remove',
    'message_pin_update',
    'typing_start',
    'read_update',
] as const

/** Events that are handed to the screens, besides what they change in the state. */
export const TOLD: readonly string[] = [
    'notification_create',
    'dm_read_notify',
    'dm_delivery',
    'media_token_refresh',
    'voice_invite',
    'stage_request',
    'stage_invite',
    'stage_invite_decline',
    'stage_revoke',
    'stage_topic_update',
    'stage_response',
    'member_join',
    'member_leave',
    'member_ban',
    'member_unban',
    'member_timeout',
    'feed_slow_mode',
    'raid_mode_update',
    'automod_rule_update',
    'automod_rule_delete',
    'report_create',
    'report_update',
    'report_delete',
    'friend_request',
    'friend_add',
    'friend_reject',
    'friend_remove',
    'block_add',
    'block_remove',
    'device_list_update',
    'device_pair_prompt',
    'key_reset_notify',
    'invite_create',
    'invite_delete',
    'server_update',
    'emoji_create',
    'emoji_delete',
    'sticker_create',
    'sticker_delete',
    'role_assign',
    'role_revoke',
    'role_create',
    'role_update',
    'role_delete',
    'permission_override_update',
    'permission_override_delete',
    'webhook_create',
    'webhook_update',
    'webhook_delete',
    'bot_commands_update',
    'bot_commands_delete',
    'interaction_modal',
]

/** Events of features that this client does not have: encryption, what clients negotiate among themselves, and a bot's own. */
export const IGNORED = [
    'voice_codec_neg',
    'device_keys_update',
    'one_time_keys_low',
    'mls_welcome',
    'mls_commit',
    'mls_proposal',
    'cpace_isi',
    'cpace_rsi',
    'cpace_confirm',
    'cpace_new_device_key',
    'interaction_create',
] as const

type Arm = (state: State, d: Data) => Part[]

const ARMS: Readonly<Record<string, Arm>> = {
    member_join: (state, d) => person(state, d),
    member_leave: gone,
    member_ban: gone,
    // Until when somebody may not write; the server says nothing when the time is over.
    member_timeout: (state, d) => {
        const until = Number(d.until)
        if (until === 0) state.timeouts.delete(text(d.user_id))
        else state.timeouts.set(text(d.user_id), until)
        return ['timeouts']
    },
    // Events of other processes of the server are missing until this ends.
    delivery_status: (state, d) => {
        state.isInterrupted = d.interrupted === true
        return ['interrupted']
    },
    member_update: (state, d) => person(state, d),
    user_update: (state, d) => person(state, d),
    role_create: (state, d) => {
        const role = d as unknown as Role
        state.roles = [...state.roles.filter((one) => one.role_id !== role.role_id), role]
        return ['roles']
    },
    role_update: (state, d) => {
        state.roles = state.roles.map((one) => (one.role_id === d.role_id ? { ...one, ...(d as Partial<Role>) } : one))
        // Moving one role moves others, which only the list tells.
        return d.position === undefined ? rights(state, ['roles']) : [...rights(state, ['roles']), 'reload-roles']
    },
    role_delete: (state, d) => {
        state.roles = state.roles.filter((one) => one.role_id !== d.role_id)
        for (const [id, member] of state.members) {
            if (member.role_ids?.includes(text(d.role_id)))
                state.members.set(id, { ...member, role_ids: member.role_ids.filter((one) => one !== d.role_id) })
        }
        renewMe(state)
        return rights(state, ['roles', 'members', 'me'])
    },
    role_assign: (state, d) => roles(state, d, (held, id) => [...held.filter((one) => one !== id), id]),
    role_revoke: (state, d) => roles(state, d, (held, id) => held.filter((one) => one !== id)),
    presence_update: (state, d) => presence(state, d as unknown as Presence),
    presence_batch: (state, d) => {
        for (const one of (d.presences as Presence[] | undefined) ?? []) presence(state, one)
        return ['presences']
    },
    server_update: (state, d) => {
        if (typeof d.name === 'string') state.serverName = d.name
        return ['server']
    },
    emoji_create: (state, d) => {
        state.emoji = [...state.emoji.filter((one) => one.emoji_id !== d.emoji_id), d as unknown as State['emoji'][0]]
        return ['emoji']
    },
    emoji_update: (state, d) => {
        state.emoji = state.emoji.map((one) => (one.emoji_id === d.emoji_id ? { ...one, ...d } : one))
        return ['emoji']
    },
    emoji_delete: (state, d) => {
        state.emoji = state.emoji.filter((one) => one.emoji_id !== d.emoji_id)
        return ['emoji']
    },
    sticker_create: (state, d) => {
        const made = d as unknown as Sticker
        state.stickers = [...state.stickers.filter((one) => one.sticker_id !== made.sticker_id), made]
        return ['stickers']
    },
    sticker_update: (state, d) => {
        state.stickers = state.stickers.map((one) => (one.sticker_id === d.sticker_id ? { ...one, ...d } : one))
        return ['stickers']
    },
    sticker_delete: (state, d) => {
        state.stickers = state.stickers.filter((one) => one.sticker_id !== d.sticker_id)
        return ['stickers']
    },
    category_create: () => ['reload-layout'],
    category_update: (state, d) => {
        const { categories } = state.layout
        state.layout = {
            ...state.layout,
            categories: categories.map((one) => (one.category_id === d.category_id ? { ...one, ...d } : one)),
        }
        return d.position === undefined ? ['layout'] : ['layout', 'reload-layout']
    },
    category_delete: (state, d) => {
        const free = <T extends Feed | Room>(one: T): T =>
            one.category_id === d.category_id ? { ...one, category_id: null } : one
        state.layout = {
            categories: state.layout.categories.filter((one) => one.category_id !== d.category_id),
            feeds: state.layout.feeds.map(free),
            rooms: state.layout.rooms.map(free),
        }
        return ['layout']
    },
    // Neither says where it stands nor who may do what there.
    feed_create: () => ['reload-layout'],
    room_create: () => ['reload-layout'],
    feed_update: (state, d) => {
        const { feeds } = state.layout
        state.layout = {
            ...state.layout,
            feeds: feeds.map((one) => (one.feed_id === d.feed_id ? { ...one, ...d } : one)),
        }
        return d.position === undefined && d.category_id === undefined ? ['layout'] : ['layout', 'reload-layout']
    },
    room_update: (state, d) => {
        const { rooms } = state.layout
        state.layout = {
            ...state.layout,
            rooms: rooms.map((one) => (one.room_id === d.room_id ? { ...one, ...d } : one)),
        }
        return d.position === undefined && d.category_id === undefined ? ['layout'] : ['layout', 'reload-layout']
    },
    feed_slow_mode: (state, d) => {
        const { feeds } = state.layout
        const slow_mode = Number(d.seconds)
        state.layout = {
            ...state.layout,
            feeds: feeds.map((one) => (one.feed_id === d.feed_id ? { ...one, slow_mode } : one)),
        }
        return ['layout']
    },
    feed_delete: (state, d) => {
        state.layout = { ...state.layout, feeds: state.layout.feeds.filter((one) => one.feed_id !== d.feed_id) }
        state.spaces.delete(`feed:${text(d.feed_id)}`)
        state.marks.delete(`feed:${text(d.feed_id)}`)
        for (const [id, thread] of state.threads) if (thread.parent_feed_id === d.feed_id) state.threads.delete(id)
        return ['layout', 'rights', 'marks', 'threads']
    },
    room_delete: (state, d) => {
        state.layout = { ...state.layout, rooms: state.layout.rooms.filter((one) => one.room_id !== d.room_id) }
        state.spaces.delete(`room:${text(d.room_id)}`)
        state.voice.delete(text(d.room_id))
        return ['layout', 'rights', 'voice']
    },
    permission_override_update: (state, d) => override(state, d, d as unknown as Override),
    permission_override_delete: (state, d) => override(state, d, null),
    thread_create: (state, d) => {
        const thread = { parent_msg_id: null, archived: false, locked: false, ...d } as unknown as Thread
        state.threads.set(thread.thread_id, thread)
        return ['threads']
    },
    thread_update: (state, d) => {
        const known = state.threads.get(text(d.thread_id))
        if (known !== undefined) state.threads.set(known.thread_id, { ...known, ...(d as Partial<Thread>) })
        return ['threads']
    },
    thread_delete: (state, d) => {
        state.threads.delete(text(d.thread_id))
        state.followed.threads.delete(text(d.thread_id))
        return ['threads', 'followed']
    },
    thread_subscribe: (state, d) => follow(state, d, state.followed.threads, d.thread_id, true),
    thread_unsubscribe: (state, d) => follow(state, d, state.followed.threads, d.thread_id, false),
    feed_subscribe: (state, d) => follow(state, d, state.followed.feeds, d.feed_id, true),
    feed_unsubscribe: (state, d) => follow(state, d, state.followed.feeds, d.feed_id, false),
    dm_create: (state, d) => {
        const dm = { name: null, icon: null, ...d } as unknown as Conversation
        state.dms = [dm, ...state.dms.filter((one) => one.dm_id !== dm.dm_id)]
        const key = `dm:${dm.dm_id}`
        if (!state.marks.has(key))
            state.marks.set(key, { dm_id: dm.dm_id, last_read_msg_id: null, last_msg_id: null, unread: 0, mentions: 0 })
        return ['dms', 'marks']
    },
    dm_update: (state, d) => dm(state, d, (one) => ({ ...one, ...(d as Partial<Conversation>) })),
    dm_recipient_add: (state, d) =>
        dm(state, d, (one) => ({
            ...one,
            participant_ids: [...one.participant_ids.filter((id) => id !== d.user_id), text(d.user_id)],
        })),
    dm_recipient_remove: (state, d) => {
        if (d.user_id === state.me?.user_id) {
            state.dms = state.dms.filter((one) => one.dm_id !== d.dm_id)
            state.marks.delete(`dm:${text(d.dm_id)}`)
            return ['dms', 'marks']
        }
        return dm(state, d, (one) => ({
            ...one,
            participant_ids: one.participant_ids.filter((id) => id !== d.user_id),
        }))
    },
    voice_state_update: (state, d) => {
        const { members = [], guests = [] } = d as { members?: VoiceMember[]; guests?: VoiceGuest[] }
        state.voice.set(text(d.room_id), { members, guests })
        return ['voice']
    },
    settings_update: (state, d) => (Number(d.revision) > state.settings.revision ? ['reload-settings'] : []),
}

export const APPLIED = Object.keys(ARMS)

/** Changes the state by one event, and says which parts of it changed. */
export function apply(state: State, type: string, d: Data): Part[] {
    return ARMS[type]?.(state, d) ?? []
}

function text(value: unknown): Id {
    return String(value)
}

function gone(state: State, d: Data): Part[] {
    const id = text(d.user_id)
    const known = state.members.get(id)
    if (known !== undefined) state.members.set(id, { ...known, role_ids: [], left: true })
    state.presences.delete(id)
    state.timeouts.delete(id)
    return ['members', 'presences', 'timeouts']
}

function renewMe(state: State): void {
    if (state.me !== null) state.me = state.members.get(state.me.user_id) ?? state.me
}

function rights(state: State, parts: Part[]): Part[] {
    computeRights(state)
    return [...parts, 'rights']
}

function person(state: State, d: Data): Part[] {
    const id = text(d.user_id)
    const known = state.members.get(id)
    const next = { ...known, ...d } as unknown as Member
    if (known === undefined && typeof d.username !== 'string') return []
    if (d.username !== undefined) delete next.left
    state.members.set(id, next)
    if (state.me?.user_id !== id) return ['members']
    state.me = next
    return ['members', 'me']
}

function roles(state: State, d: Data, change: (held: Id[], role: Id) => Id[]): Part[] {
    const id = text(d.user_id)
    const known = state.members.get(id)
    if (known === undefined) return []
    state.members.set(id, { ...known, role_ids: change(known.role_ids ?? [], text(d.role_id)) })
    if (state.me?.user_id !== id) return ['members']
    renewMe(state)
    return rights(state, ['members', 'me'])
}

function presence(state: State, one: Presence): Part[] {
    if (one.status === 'offline') state.presences.delete(one.user_id)
    else state.presences.set(one.user_id, one)
    return ['presences']
}

function override(state: State, d: Data, given: Override | null): Part[] {
    const changed = <T extends Feed | Room>(one: T): T => {
        const others = one.permission_overrides.filter(
            (other) => other.target_type !== d.target_type || other.target_id !== d.target_id,
        )
        if (given === null) return { ...one, permission_overrides: others }
        const { target_type, target_id, allow, deny } = given
        return { ...one, permission_overrides: [...others, { target_type, target_id, allow, deny }] }
    }
    state.layout = {
        ...state.layout,
        feeds: state.layout.feeds.map((one) =>
            d.space_type === 'feed' && one.feed_id === d.space_id ? changed(one) : one,
        ),
        rooms: state.layout.rooms.map((one) =>
            d.space_type === 'room' && one.room_id === d.space_id ? changed(one) : one,
        ),
    }
    return rights(state, ['layout'])
}

function follow(state: State, d: Data, set: Set<Id>, id: unknown, on: boolean): Part[] {
    if (d.user_id !== state.me?.user_id) return []
    if (on) set.add(text(id))
    else set.delete(text(id))
    return ['followed']
}

function dm(state: State, d: Data, change: (one: Conversation) => Conversation): Part[] {
    state.dms = state.dms.map((one) => (one.dm_id === d.dm_id ? change(one) : one))
    return ['dms']
}
