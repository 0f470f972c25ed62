/** What stands between messages: days, the beginning of the unread, gaps; and which messages show their author. */
import { isNewer, type Id } from '../../core/ids'
import type { Message, Row } from '../../sync/contract'

const GROUP_MS = 7 * 60_000
/** The author of webhooks' messages and of notes that the server writes. */
export const NO_AUTHOR: Id = '0'

export type Line =
    | { kind: 'day'; key: string; time: number }
    | { kind: 'new'; key: string }
    | { kind: 'gap'; key: string; row: Row }
    | { kind: 'message'; key: string; message: Message; first: boolean; highlighted: boolean }

export interface Arrangement {
    /** The last message that was read when the place was opened; null: no divider. */
    readTo: Id | null
    me: Id | null
    dayOf: (ms: number) => string
}

export function arrange(rows: readonly Row[], { readTo, me, dayOf }: Arrangement): Line[] {
    const lines: Line[] = []
    let previous: Message | null = null
    let day = ''
    let divided = readTo === null
    for (const row of rows) {
        if (row.kind === 'gap') {
            lines.push({ kind: 'gap', key: `gap-${row.after}`, row })
            previous = null
            continue
        }
        const { message } = row
        const today = dayOf(message.timestamp)
        if (today !== day) {
            lines.push({ kind: 'day', key: `day-${today}-${message.msg_id}`, time: message.timestamp })
            day = today
            previous = null
        }
        if (!divided && readTo !== null && isNewer(message.msg_id, readTo)) {
            divided = true
            if (message.author_id !== me) {
                lines.push({ kind: 'new', key: 'new' })
                previous = null
            }
        }
        const first =
            previous === null ||
            previous.author_id !== message.author_id ||
            previous.author_id === NO_AUTHOR ||
            message.reply_to !== null ||
            message.timestamp - previous.timestamp > GROUP_MS
        lines.push({ kind: 'message', key: message.msg_id, message, first, highlighted: row.highlighted ?? false })
        previous = message
    }
    return lines
}

/** The newest message of one's own that can still be edited, for the arrow key in an empty composer. */
export function lastOwn(rows: readonly Row[], me: Id | null): Message | null {
    const row = rows.findLast((one) => one.kind === 'message' && one.message.author_id === me)
    return row?.kind === 'message' ? row.message : null
}

export function messagesOf(rows: readonly Row[]): Message[] {
    return rows.flatMap((row) => (row.kind === 'message' ? [row.message] : []))
}
