/** The places one can go to, as the switcher, the inbox and the keys know them. */
import { groupFeeds } from '../../core/feed_order'
import type { Id } from '../../core/ids'
import type { Conversation, Mark } from '../../store/entities'
import type { Place, SyncClient } from '../../sync/contract'
import type { Route } from '../../ui/router'
import { nameOf } from '../feed/names'
import { routeTo } from '../feed/places'

export interface Target {
    key: string
    name: string
    /** What stands before the name: `#` for feeds, `@` for people. */
    sign: string
    route: Route
    place: Place | null
}

/** The feeds in the order of the side bar. */
export function feedsInOrder(client: SyncClient): Target[] {
    const { categories, feeds } = client.layout
    return groupFeeds(categories, feeds, '')
        .flatMap((group) => group.feeds)
        .map((feed) => target({ kind: 'feed', id: feed.feed_id }, feed.name, '#'))
}

export function conversationName(client: SyncClient, dm: Conversation): string {
    if (dm.name) return dm.name
    const others = dm.participant_ids.filter((id) => id !== client.me?.user_id)
    return others.map((id) => nameOf(client, id)).join(', ')
}

export function conversations(client: SyncClient): Target[] {
    return client.dms.map((dm) => target({ kind: 'dm', id: dm.dm_id }, conversationName(client, dm), '@'))
}

export function rooms(client: SyncClient): Target[] {
    return client.layout.rooms.map((room) => ({
        key: `room:${room.room_id}`,
        name: room.name,
        sign: '♪',
        route: { screen: 'room', room: room.room_id },
        place: null,
    }))
}

function target(place: Place, name: string, sign: string): Target {
    return { key: `${place.kind}:${place.id}`, name, sign, route: routeTo(place, null), place }
}

/** The place that a route shows. */
export function placeOf(route: Route): Place | null {
    if (route.screen === 'feed') return { kind: 'feed', id: route.feed }
    if (route.screen === 'dm') return { kind: 'dm', id: route.dm }
    return route.screen === 'thread' ? { kind: 'thread', id: route.thread } : null
}

export interface Unread {
    target: Target
    mark: Mark
}

/** What is unread, places with mentions first. `threads`: those that one follows and that are known. */
export function unread(client: SyncClient, threads: readonly { thread_id: Id; name: string }[]): Unread[] {
    const places = [
        ...conversations(client),
        ...feedsInOrder(client),
        ...threads.map((one) => target({ kind: 'thread', id: one.thread_id }, one.name, '#')),
    ]
    return places
        .map((one) => ({ target: one, mark: one.place === null ? null : client.mark(one.place) }))
        .filter((one): one is Unread => one.mark !== null && one.mark.unread > 0)
        .sort((a, b) => Number(b.mark.mentions > 0) - Number(a.mark.mentions > 0))
}
