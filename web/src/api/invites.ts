/** Routes of invites. */
import type { Id } from '../core/ids'
import type { Asker } from './threads'

export interface Invite {
    code: string
    creator_id: Id
    max_uses: number | null
    uses: number
    /** Unix seconds; null or 0: it does not expire. */
    expires_at: number | null
}

export const PAGE_OF_INVITES = 50

export function createInvite(asker: Asker, maxAge: number, maxUses: number | null): Promise<Invite> {
    const body = { max_age: maxAge, ...(maxUses === null ? {} : { max_uses: maxUses }) }
    return asker.request<Invite>('invites', { method: 'POST', body })
}

export function readInvites(asker: Asker, after?: string): Promise<{ items: Invite[]; cursor: string | null }> {
    return asker.request('invites', { query: { limit: PAGE_OF_INVITES, after } })
}

export function deleteInvite(asker: Asker, code: string): Promise<void> {
    return asker.request<void>(`invites/${encodeURIComponent(code)}`, { method: 'DELETE' })
}
