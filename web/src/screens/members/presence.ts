/** Whether somebody is here; the server tells one of others' presences alone. */
import type { Id } from '../../core/ids'
import type { Presence } from '../../store/entities'
import type { SyncClient } from '../../sync/contract'

export function statusOf(client: SyncClient, user: Id): Presence['status'] {
    const known = client.presence(user)?.status
    if (known !== undefined) return known
    return client.me?.user_id === user && client.connection.state === 'live' ? 'online' : 'offline'
}
