/** Read marks and what is unread behind them. The server's numbers hold at the start; events move them on from there. */
import { compareIds, isNewer, type Id } from '../core/ids'
import type { Mark, PlaceKey } from './entities'

const MOST = 100

export interface Arrival {
    id: Id
    author: Id
    mentions: readonly Id[]
}

/** A message came into the place outside of threads. One's own are never unread. */
export function arrived(mark: Mark, message: Arrival, me: Id): Mark {
    if (mark.last_msg_id !== null && !isNewer(message.id, mark.last_msg_id)) return mark
    const moved = { ...mark, last_msg_id: message.id }
    if (message.author === me || (mark.last_read_msg_id !== null && !isNewer(message.id, mark.last_read_msg_id)))
        return moved
    const named = message.mentions.includes(me) || message.mentions.includes('0')
    return {
        ...moved,
        unread: Math.min(MOST, mark.unread + 1),
        mentions: Math.min(MOST, mark.mentions + (named ? 1 : 0)),
    }
}

/**
 * The mark moved, here or on another device.
 *
 * @param after the messages after `to`, oldest first, where all of them are known; without them the numbers can only be told at
 *     the end of the place, and stay otherwise.
 */
export function moved(mark: Mark, to: Id | null, after: readonly Arrival[] | null, me: Id): Mark {
    const read = { ...mark, last_read_msg_id: to }
    if (to !== null && (mark.last_msg_id === null || compareIds(to, mark.last_msg_id) >= 0))
        return { ...read, unread: 0, mentions: 0 }
    if (after === null) return read
    const foreign = after.filter((one) => one.author !== me)
    const named = foreign.filter((one) => one.mentions.includes(me) || one.mentions.includes('0'))
    return { ...read, unread: Math.min(MOST, foreign.length), mentions: Math.min(MOST, named.length) }
}

type Level = 'all' | 'mentions' | 'nothing'

interface Notifications {
    level?: Level
    places?: Record<string, { level?: Level; muted_until?: number }>
}

/**
 * Whether a message deserves a notice of the browser.
 *
 * @param places the place, and for a thread its feed behind it: the first with a level decides, a mute of any is silent.
 * @param named whether the message names the user, answers them, or stands in a conversation.
 */
export function notifies(
    settings: Record<string, unknown>,
    places: readonly PlaceKey[],
    named: boolean,
    nowS: number,
): boolean {
    const { notifications = {} } = settings as { notifications?: Notifications }
    const own = places.map((one) => notifications.places?.[one] ?? {})
    if (own.some((one) => (one.muted_until ?? 0) > nowS)) return false
    const level = own.find((one) => one.level !== undefined)?.level ?? notifications.level ?? 'mentions'
    return level === 'all' || (level === 'mentions' && named)
}

/** What the settings say of a place: muted ones never count. */
export function isMuted(settings: Record<string, unknown>, place: string, nowS: number): boolean {
    const { notifications } = settings as { notifications?: Notifications }
    const own = notifications?.places?.[place]
    return own !== undefined && (own.level === 'nothing' || (own.muted_until ?? 0) > nowS)
}
