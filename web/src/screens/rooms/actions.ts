/** What one may do with a person in a voice room. */
import type { Id } from '../../core/ids'
import { holds } from '../../core/permissions'
import type { Person } from './people'

/** A request below `rooms/ROOM/`. */
export type Act = (path: string, method: 'POST' | 'DELETE' | 'PATCH', body?: unknown) => Promise<void>

export interface Actions {
    mute: boolean
    deafen: boolean
    move: boolean
    remove: boolean
}

export function actions(one: Person, rights: bigint, me: Id): Actions {
    const isOther = one.user !== null && !one.isMe
    return {
        mute: isOther && holds(rights, 'MUTE_MEMBERS'),
        deafen: isOther && holds(rights, 'DEAFEN_MEMBERS'),
        move: isOther && holds(rights, 'MOVE_MEMBERS'),
        remove: one.guest !== null && (one.by === me || holds(rights, 'MOVE_MEMBERS')),
    }
}
