/** Who is in a voice room, as one list. */
import type { Id } from '../../core/ids'
import type { SyncClient } from '../../sync/contract'
import { voice as words } from '../../words/en/voice'
import { nameOf } from '../feed/names'

export interface Person {
    /** In the media. */
    identity: string
    kind: 'member' | 'agent' | 'caller'
    name: string
    user: Id | null
    guest: Id | null
    isMe: boolean
    muted: boolean
    deafened: boolean
    serverMuted: boolean
    serverDeafened: boolean
    /** Who brought a guest. */
    by: Id | null
    isComing: boolean
}

export function peopleIn(client: SyncClient, room: Id): Person[] {
    const state = client.voice(room)
    if (state === null) return []
    const members = state.members.map((one): Person => ({
        identity: `user-${one.user_id}`,
        kind: 'member',
        name: nameOf(client, one.user_id),
        user: one.user_id,
        guest: null,
        isMe: one.user_id === client.me?.user_id,
        muted: one.mute,
        deafened: one.deaf,
        serverMuted: one.server_mute,
        serverDeafened: one.server_deaf,
        by: null,
        isComing: false,
    }))
    const guests = state.guests.map((one): Person => ({
        identity: one.identity,
        kind: one.kind,
        name: one.name || (one.kind === 'agent' ? words.agent : words.caller),
        user: null,
        guest: one.guest_id,
        isMe: false,
        muted: false,
        deafened: false,
        serverMuted: false,
        serverDeafened: false,
        by: one.inviter_id,
        isComing: one.joined_at === null,
    }))
    return [...members, ...guests]
}
