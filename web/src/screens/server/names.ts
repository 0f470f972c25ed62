/** Names of people and roles as settings show them. */
import type { Id } from '../../core/ids'
import type { SyncClient } from '../../sync/contract'
import { server as words } from '../../words/en/server'

interface Named {
    username: string
    display_name?: string | null
    nickname?: string | null
}

export function nameOf(member: Named): string {
    return member.nickname || member.display_name || member.username
}

/** The name of a user by id; the server has no id. */
export function nameOfId(client: SyncClient, id: Id | null | undefined): string {
    if (id === null || id === undefined || id === '0') return words.byServer
    const member = client.member(id)
    return member === null ? words.unknown : nameOf(member)
}

export function shortTime(ms: number): string {
    return new Date(ms).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })
}
