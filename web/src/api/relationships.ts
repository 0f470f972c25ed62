/** Routes of the user's own friends, blocks, and of the setting that says who can write to them. */
import type { Id } from '../core/ids'
import type { RequestOptions } from './http'

export interface Asker {
    request<T>(path: string, options?: RequestOptions): Promise<T>
}

export type FriendStatus = 'accepted' | 'pending' | 'incoming'
export type DmPermission = 'everyone' | 'friends_only' | 'mutual_servers' | 'nobody'

interface Friend {
    user_id: Id
    status: FriendStatus
}

const PAGE = 200
const MOST_PAGES = 25

/** All friends, requests sent (`pending`) or requests that wait for an answer (`incoming`). */
export async function readFriends(asker: Asker, status: FriendStatus): Promise<Id[]> {
    const found: Id[] = []
    let after: Id | undefined
    for (let page = 0; page < MOST_PAGES; page += 1) {
        const { items, cursor } = await asker.request<{ items: Friend[]; cursor: Id | null }>('users/@me/friends', {
            query: { status, limit: PAGE, after },
        })
        found.push(...items.map((one) => one.user_id))
        if (cursor === null || items.length < PAGE) break
        after = cursor
    }
    return found
}

export async function readBlocks(asker: Asker): Promise<Id[]> {
    return (await asker.request<{ blocked_user_ids: Id[] }>('users/@me/blocks')).blocked_user_ids
}

export function askForFriendship(asker: Asker, user: Id): Promise<void> {
    return asker.request(`users/@me/friends/${user}`, { method: 'PUT' })
}

export function answerRequest(asker: Asker, user: Id, answer: 'accept' | 'reject'): Promise<void> {
    return asker.request(`users/@me/friends/${user}/${answer}`, { method: 'POST' })
}

/** Ends a friendship, or withdraws a request. */
export function unfriend(asker: Asker, user: Id): Promise<void> {
    return asker.request(`users/@me/friends/${user}`, { method: 'DELETE' })
}

export function setBlocked(asker: Asker, user: Id, on: boolean): Promise<void> {
    return asker.request(`users/@me/blocks/${user}`, { method: on ? 'PUT' : 'DELETE' })
}

export async function readDmPermission(asker: Asker): Promise<DmPermission> {
    return (await asker.request<{ dm_permission: DmPermission }>('users/@me/dm-settings')).dm_permission
}

export function setDmPermission(asker: Asker, dm_permission: DmPermission): Promise<unknown> {
    return asker.request('users/@me/dm-settings', { method: 'PATCH', body: { dm_permission } })
}
