/** What the server's objects look like with `X-Vox-Ids: string`; only the fields that the client uses. Times are Unix seconds. */
import type { Id } from '../core/ids'

export interface Category {
    category_id: Id
    name: string
    position: number
}

export interface Override {
    target_type: 'role' | 'user'
    target_id: Id
    allow: string
    deny: string
}

export interface Feed {
    feed_id: Id
    name: string
    type: 'text' | 'forum' | 'announcement'
    topic: string | null
    category_id: Id | null
    position: number
    permission_overrides: Override[]
    /** Seconds between two messages of one person, as far as an event has told. */
    slow_mode?: number
}

export interface Room {
    room_id: Id
    name: string
    type: 'voice' | 'stage'
    category_id: Id | null
    position: number
    permission_overrides: Override[]
}

export interface Member {
    user_id: Id
    username: string
    display_name?: string | null
    nickname?: string | null
    avatar?: string | null
    role_ids?: Id[]
    left?: boolean
}

export interface Role {
    role_id: Id
    name: string
    color: number | null
    permissions: string
    position: number
}

export interface Layout {
    categories: Category[]
    feeds: Feed[]
    rooms: Room[]
}

export interface Mark {
    feed_id?: Id
    dm_id?: Id
    thread_id?: Id
    /** Null where nothing was read, or where there is nothing. */
    last_read_msg_id: Id | null
    last_msg_id: Id | null
    unread: number
    mentions: number
}

export interface Conversation {
    dm_id: Id
    participant_ids: Id[]
    is_group: boolean
    name: string | null
    icon: string | null
}

export interface Emoji {
    emoji_id: Id
    name: string
    image?: string | null
}

export interface Sticker {
    sticker_id: Id
    name: string
    image?: string | null
}

export interface Thread {
    thread_id: Id
    parent_feed_id: Id
    parent_msg_id: Id | null
    name: string
    archived: boolean
    locked: boolean
    /** The newest message, how many there are, and who opened it; only where a list by activity was read. */
    last_msg_id?: Id | null
    messages?: number
    author_id?: Id | null
}

export interface Presence {
    user_id: Id
    status: 'online' | 'idle' | 'dnd' | 'invisible' | 'offline'
    custom_status?: string | null
    activity?: unknown
}

export interface Settings {
    revision: number
    settings: Record<string, unknown>
}

export interface VoiceMember {
    user_id: Id
    mute: boolean
    deaf: boolean
    video: boolean
    streaming: boolean
    server_mute: boolean
    server_deaf: boolean
    joined_at: number
}

/** An agent or a telephone caller; `joined_at` is null until it has come. */
export interface VoiceGuest {
    guest_id: Id
    kind: 'agent' | 'caller'
    identity: string
    name: string
    inviter_id: Id | null
    joined_at: number | null
}

/** Who is in a voice room. */
export interface VoiceState {
    members: VoiceMember[]
    guests: VoiceGuest[]
}

/** `feed:ID`, `thread:ID` or `dm:ID`, as the server's settings name places too. */
export type PlaceKey = string

export function placeKey(place: { kind: string; id: Id }): PlaceKey {
    return `${place.kind}:${place.id}`
}

/** Where messages stand. */
export type Place = { kind: 'feed' | 'thread' | 'dm'; id: Id }

export interface Reaction {
    emoji: string
    count: number
    me: boolean
}

export interface Attachment {
    file_id: Id
    name: string
    mime: string
    size: number
    width: number | null
    height: number | null
    alt: string | null
    /** A signed address, where the server gives some; else `SyncClient.download` reads the file. */
    url: string | null
}

/** A message of the server. */
export interface Message {
    msg_id: Id
    thread_id: Id | null
    /** '0' where a webhook or the server itself wrote it. */
    author_id: Id
    /** The name that a webhook wrote under. */
    author_name: string | null
    body: string
    /** Unix milliseconds. */
    timestamp: number
    edit_timestamp: number | null
    reply_to: Id | null
    /** The answered message, where it is known. */
    replied: { msg_id: Id; author_id: Id; body: string } | null
    mentions: Id[]
    pinned: boolean
    attachments: Attachment[]
    reactions: Reaction[]
    embeds: Record<string, unknown>[]
    /** What an end-to-end encrypting client wrote: it cannot be read here. */
    encrypted: boolean
}

export type Row = { kind: 'message'; message: Message; highlighted?: boolean } | { kind: 'gap'; before: Id; after: Id }
