/** Addresses of messages, and the threads that belong to them. */
import { readThreads } from '../../api/threads'
import type { Id } from '../../core/ids'
import type { Thread } from '../../store/entities'
import type { Place, SyncClient } from '../../sync/contract'
import type { Route } from '../../ui/router'

/** Where a message of a place is shown. */
export function routeTo(place: Place, message: Id | null): Route {
    switch (place.kind) {
        case 'feed':
            return { screen: 'feed', feed: place.id, message }
        case 'thread':
            return { screen: 'thread', thread: place.id, message }
        case 'dm':
            return { screen: 'dm', dm: place.id, message }
    }
}

/** The thread that began with a message, as far as it is known here. */
export function threadOf(client: SyncClient, feed: Id, message: Id): Thread | undefined {
    return client.threads(feed).find((one) => one.parent_msg_id === message)
}

const known = new WeakMap<SyncClient, Set<Id>>()

/** Reads the latest threads of a feed, once; those made later are told by events. */
export async function knowThreads(client: SyncClient, feed: Id): Promise<void> {
    const feeds = known.get(client) ?? new Set<Id>()
    known.set(client, feeds)
    if (feeds.has(feed)) return
    feeds.add(feed)
    try {
        client.learnThreads((await readThreads(client, feed)).items)
    } catch {
        feeds.delete(feed)
    }
}
