/** How conversations are called. */
import type { Id } from '../../core/ids'
import type { Conversation } from '../../store/entities'
import type { SyncClient } from '../../sync/contract'
import { people as words } from '../../words/en/people'
import { nameOf } from '../feed/names'

const NAMED = 4

export function othersIn(client: SyncClient, dm: Conversation): Id[] {
    return dm.participant_ids.filter((one) => one !== client.me?.user_id)
}

export function conversationName(client: SyncClient, dm: Conversation): string {
    if (dm.name) return dm.name
    const others = othersIn(client, dm)
    if (others.length === 0) return words.alone
    const named = others.slice(0, NAMED).map((one) => nameOf(client, one))
    return others.length > NAMED ? `${named.join(', ')} +${others.length - NAMED}` : named.join(', ')
}
