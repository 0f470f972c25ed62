/** Routes of members: lists, search, and what moderators do. */
import type { Id } from '../core/ids'
import type { Asker } from './relationships'

export interface ListedMember {
    user_id: Id
    username: string
    display_name?: string | null
    nickname?: string | null
    avatar?: string | null
    role_ids?: Id[]
    left?: boolean
}

interface Page {
    items: ListedMember[]
    cursor: Id | null
    total: number
}

export interface Profile {
    user_id: Id
    username: string
    display_name: string
    avatar: string | null
    bio: string | null
    created_at: number
}

const PAGE = 1000
const MOST_PAGES = 50

/** Hands on all members, a page of a thousand at a time. Throws `ApiError`. */
export async function readMembers(
    asker: Asker,
    heard: (members: ListedMember[]) => void,
    signal: AbortSignal,
): Promise<void> {
    let after: Id | undefined
    for (let page = 0; page < MOST_PAGES; page += 1) {
        const { items, cursor } = await asker.request<Page>('members/compact', {
            query: { limit: PAGE, after },
            signal,
        })
        heard(items)
        if (cursor === null) return
        after = cursor
    }
}

/** Members whose name, or a word of it, begins so. */
export async function findMembers(asker: Asker, query: string, signal?: AbortSignal): Promise<ListedMember[]> {
    const options = { query: { query, limit: 10 }, ...(signal ? { signal } : {}) }
    return (await asker.request<{ members: ListedMember[] }>('members/find', options)).members
}

export function readProfile(asker: Asker, user: Id): Promise<Profile> {
    return asker.request(`users/${user}`)
}

export function setRole(asker: Asker, user: Id, role: Id, on: boolean): Promise<void> {
    return asker.request(`members/${user}/roles/${role}`, { method: on ? 'PUT' : 'DELETE' })
}

/** Until when the member is timed out, in Unix seconds; 0: not at all. */
export async function readTimeout(asker: Asker, user: Id): Promise<number> {
    return (await asker.request<{ until: number }>(`members/${user}/timeout`)).until
}

export function timeOut(asker: Asker, user: Id, seconds: number, reason: string): Promise<unknown> {
    return asker.request(`members/${user}/timeout`, { method: 'PUT', body: { seconds, ...given(reason) } })
}

export function endTimeout(asker: Asker, user: Id): Promise<void> {
    return asker.request(`members/${user}/timeout`, { method: 'DELETE' })
}

export function kick(asker: Asker, user: Id, reason: string): Promise<void> {
    return asker.request(`members/${user}`, { method: 'DELETE', body: given(reason) })
}

/** `days`: of how many days the messages go too. */
export function ban(asker: Asker, user: Id, reason: string, days: number): Promise<unknown> {
    return asker.request(`bans/${user}`, { method: 'PUT', body: { delete_msg_days: days, ...given(reason) } })
}

function given(reason: string): { reason?: string } {
    return reason.trim() === '' ? {} : { reason: reason.trim() }
}
