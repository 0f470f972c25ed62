/** Which events deserve a notice of the browser. */
import type { Frame } from '../protocol/gateway'
import { placeKey, type Place, type PlaceKey } from '../store/entities'
import { mentionsIn, type WireMessage } from '../store/messages'
import type { State } from '../store/state'
import { notifies } from '../store/unread'
import type { Id } from '../core/ids'

export interface Notice {
    place: Place
    msg_id: Id
    author_id: Id
    body: string
}

/** @param attended the places that the user looks at, in any tab. */
export function noticeOf(
    state: State,
    { type, d }: Frame,
    me: Id,
    nowS: number,
    attended: ReadonlySet<PlaceKey>,
): Notice | null {
    const isAnswer = type === 'notification_create' && d.type === 'reply'
    if (type !== 'message_create' && !isAnswer) return null
    const wire = d as unknown as WireMessage & { actor_id?: Id; body_preview?: string }
    const place: Place | null = wire.thread_id
        ? { kind: 'thread', id: wire.thread_id }
        : wire.feed_id
          ? { kind: 'feed', id: wire.feed_id }
          : wire.dm_id
            ? { kind: 'dm', id: wire.dm_id }
            : null
    const author = (isAnswer ? wire.actor_id : wire.author_id) ?? '0'
    const body = (isAnswer ? wire.body_preview : wire.body) ?? ''
    if (place === null || author === me || attended.has(placeKey(place))) return null
    const mentions = wire.mentions ?? mentionsIn(body)
    const named = isAnswer || place.kind === 'dm' || mentions.includes(me) || mentions.includes('0')
    const parent = place.kind === 'thread' ? wire.feed_id : undefined
    const places = parent ? [placeKey(place), `feed:${parent}`] : [placeKey(place)]
    if (!notifies(state.settings.settings, places, named, nowS)) return null
    return { place, msg_id: wire.msg_id, author_id: author, body }
}
