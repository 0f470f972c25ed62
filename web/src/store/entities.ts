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
    last_read_msg_id: Id
    last_msg_id: Id
    unread: number
    mentions: number
}
