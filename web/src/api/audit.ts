/** The route of the audit log. */
import type { Id } from '../core/ids'
import type { Asker } from './threads'

export interface AuditEntry {
    entry_id: Id
    event_type: string
    actor_id: Id | null
    target_id: Id | null
    metadata: Record<string, unknown> | null
    /** Unix milliseconds. */
    timestamp: number
}

const PAGE = 100
const MOST_PAGES = 20

/**
 * The entries of a filter, the latest first. The server gives them oldest first, so the pages are walked to their end;
 * `isPartial` says that there are more than this reads.
 */
export async function readAudit(
    asker: Asker,
    filter: { event_type?: string | undefined; actor_id?: Id | undefined },
): Promise<{ entries: AuditEntry[]; isPartial: boolean }> {
    const entries: AuditEntry[] = []
    let after: Id | undefined
    for (let page = 0; page < MOST_PAGES; page += 1) {
        const query = { ...filter, limit: PAGE, after }
        const answer = await asker.request<{ entries: AuditEntry[]; cursor: Id | null }>('audit-log', { query })
        entries.push(...answer.entries)
        if (answer.cursor === null || answer.entries.length < PAGE)
            return { entries: entries.toReversed(), isPartial: false }
        after = answer.cursor
    }
    return { entries: entries.toReversed(), isPartial: true }
}
