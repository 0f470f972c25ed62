/** Messages as lists of pins and of hits show them. */
import type { Id } from '../../core/ids'
import type { SyncClient } from '../../sync/contract'
import type { Route } from '../../ui/router'
import { feed as words } from '../../words/en/feed'
import { nameOf } from './names'

export interface Found {
    msg_id: Id
    feed_id: Id | null
    dm_id?: Id | null
    thread_id?: Id | null
    author_id: Id | null
    body: string | null
    timestamp: number
    attachments?: { name?: string }[]
}

export function routeOfFound(found: Found): Route {
    if (found.thread_id) return { screen: 'thread', thread: found.thread_id, message: found.msg_id }
    if (found.dm_id) return { screen: 'dm', dm: found.dm_id, message: found.msg_id }
    return { screen: 'feed', feed: found.feed_id ?? '0', message: found.msg_id }
}

export function authorOfFound(client: SyncClient, found: Found): string {
    return found.author_id === null ? words.automatic : nameOf(client, found.author_id)
}

export interface Part {
    text: string
    hit: boolean
}

/** A text cut into parts, of which those are hits that a reader looked for; words without regard to case. */
export function marked(text: string, wanted: readonly string[]): Part[] {
    const sought = wanted.map((one) => one.toLocaleLowerCase()).filter((one) => one !== '')
    const lower = text.toLocaleLowerCase()
    if (sought.length === 0 || lower.length !== text.length) return [{ text, hit: false }]
    const parts: Part[] = []
    let from = 0
    while (from < text.length) {
        let at = -1
        let length = 0
        for (const one of sought) {
            const found = lower.indexOf(one, from)
            if (found >= 0 && (at < 0 || found < at || (found === at && one.length > length))) {
                at = found
                length = one.length
            }
        }
        if (at < 0) break
        if (at > from) parts.push({ text: text.slice(from, at), hit: false })
        parts.push({ text: text.slice(at, at + length), hit: true })
        from = at + length
    }
    if (from < text.length) parts.push({ text: text.slice(from), hit: false })
    return parts
}
