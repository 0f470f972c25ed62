/** How many people a mention of all reaches. */
import type { Id } from '../../core/ids'
import type { Place, SyncClient } from '../../sync/contract'

/** Without the author; null where the server does not tell. */
export async function everyoneIn(client: SyncClient, place: Place, feed: Id | null): Promise<number | null> {
    if (place.kind === 'dm') {
        const talk = client.dms.find((one) => one.dm_id === place.id)
        return talk === undefined ? null : talk.participant_ids.filter((one) => one !== client.me?.user_id).length
    }
    try {
        return (await client.request<{ count: number }>(`feeds/${feed}/readers`)).count
    } catch {
        return null
    }
}
