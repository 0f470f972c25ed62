/** Routes of conversations. */
import type { Id } from '../core/ids'
import type { Asker } from './relationships'

interface Conversation {
    dm_id: Id
}

/** The conversation with one other user, the same one each time. */
export async function openDm(asker: Asker, user: Id): Promise<Id> {
    const body = { recipient_id: user }
    return (await asker.request<Conversation>('dms', { method: 'POST', body })).dm_id
}

export async function openGroup(asker: Asker, users: readonly Id[], name: string): Promise<Id> {
    const body = { recipient_ids: [...users], ...(name === '' ? {} : { name }) }
    return (await asker.request<Conversation>('dms', { method: 'POST', body })).dm_id
}

export function renameGroup(asker: Asker, dm: Id, name: string): Promise<unknown> {
    return asker.request(`dms/${dm}`, { method: 'PATCH', body: { name } })
}

export function addToGroup(asker: Asker, dm: Id, user: Id): Promise<void> {
    return asker.request(`dms/${dm}/recipients/${user}`, { method: 'PUT' })
}

export function removeFromGroup(asker: Asker, dm: Id, user: Id): Promise<void> {
    return asker.request(`dms/${dm}/recipients/${user}`, { method: 'DELETE' })
}
