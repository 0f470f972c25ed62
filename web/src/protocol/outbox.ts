/**
 * Messages on their way to the server, without storage or network: in order per place, one in flight, each at most once.
 *
 * The server remembers a nonce for ten minutes, so the same message may be sent again for nine. After that the history since
 * the message was written is read: it is there, or its author is asked.
 */
import type { Id } from '../core/ids'
import { backoff } from './backoff'

export const SAFE_MS = 9 * 60_000

export interface Failure {
    status: number
    code: string
    message: string
    retryAfterMs: number | null
}

export interface Entry {
    nonce: string
    /** The key of the place, see `placeKey`. */
    place: string
    body: string
    reply_to: Id | null
    attachments: Id[]
    mentions: Id[]
    /** A card below the message as JSON; left out where there is none. */
    embed?: string
    /** When it was written, or its author said to send it again. */
    created: number
    /** Ascends in the order in which messages were written. */
    order: number
    tries: number
    /** Not to be tried before. */
    next: number
    state: 'waiting' | 'sending' | 'asks' | 'refused'
    error: Failure | null
}

export type Task = { do: 'send' | 'check'; entry: Entry }

export class Outbox {
    private entries: Entry[] = []

    constructor(private readonly random: () => number) {}

    get all(): readonly Entry[] {
        return this.entries
    }

    get(nonce: string): Entry | null {
        return this.entries.find((one) => one.nonce === nonce) ?? null
    }

    /** Puts stored or new entries in; one that was being sent when its page went is tried again. */
    put(entry: Entry): void {
        const known = this.entries.findIndex((one) => one.nonce === entry.nonce)
        if (known >= 0) return
        this.entries.push({ ...entry, state: entry.state === 'sending' ? 'waiting' : entry.state })
        this.entries.sort((a, b) => a.order - b.order)
    }

    remove(nonce: string): void {
        this.entries = this.entries.filter((one) => one.nonce !== nonce)
    }

    /** What may begin now: of each place the first that waits, where none of it is in flight. */
    due(now: number): Task[] {
        const tasks: Task[] = []
        const seen = new Set<string>()
        for (const entry of this.entries) {
            if (entry.state === 'asks' || entry.state === 'refused' || seen.has(entry.place)) continue
            seen.add(entry.place)
            if (entry.state === 'waiting' && entry.next <= now) {
                tasks.push({ do: now - entry.created >= SAFE_MS ? 'check' : 'send', entry })
            }
        }
        return tasks
    }

    begin(nonce: string): void {
        this.change(nonce, { state: 'sending' })
    }

    /** Sending or checking failed. What the server refuses is not tried again by itself. */
    failed(nonce: string, error: Failure, now: number): void {
        const entry = this.get(nonce)
        if (entry === null) return
        const temporary = error.status === 0 || error.status === 401 || error.status === 429 || error.status >= 500
        if (!temporary) return this.change(nonce, { state: 'refused', error })
        const tries = entry.tries + 1
        const wait = Math.max(error.retryAfterMs ?? 0, backoff(tries, this.random))
        this.change(nonce, { state: 'waiting', tries, next: now + wait, error })
    }

    /** The history since the message was written does not have it. */
    ask(nonce: string): void {
        this.change(nonce, { state: 'asks' })
    }

    /** Its author says to send it again. Past the time of its nonce it needs another one. */
    again(nonce: string, fresh: string, now: number): void {
        const entry = this.get(nonce)
        if (entry === null || entry.state === 'sending') return
        const renewed = entry.state === 'asks' || entry.state === 'refused'
        this.change(nonce, {
            state: 'waiting',
            tries: 0,
            next: now,
            error: null,
            ...(renewed ? { nonce: fresh, created: now } : {}),
        })
    }

    /** The network is back: nothing waits for its back-off, except where the server named a time. */
    hurry(now: number): void {
        this.entries = this.entries.map((one) =>
            one.state === 'waiting' && one.error?.retryAfterMs == null
                ? { ...one, next: Math.min(one.next, now), tries: 0 }
                : one,
        )
    }

    private change(nonce: string, part: Partial<Entry>): void {
        this.entries = this.entries.map((one) => (one.nonce === nonce ? { ...one, ...part } : one))
    }
}
