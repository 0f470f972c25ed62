/** Carries the outbox out: one message of a place after the other, each stored before it is tried and until it has arrived. */
import { ApiError, type Http } from '../api/http'
import { compareIds, type Id } from '../core/ids'
import { nonce as newNonce } from '../core/nonce'
import { Outbox, type Entry, type Failure, type Task } from '../protocol/outbox'
import type { PlaceKey } from '../store/entities'
import type { WirePage } from '../store/messages'
import type { Store } from './store_port'

/** `id >> 22` is the Unix millisecond in which the server made a message. */
const ID_SHIFT = 22n
/** How exactly the server's clock is known here. */
const CLOCKS_MS = 3_000
const CHECK_PAGES = 4
const PAGE = 100

export interface OutboxHost {
    readonly http: Http
    readonly store: Store
    path(place: PlaceKey): Promise<string>
    me(): Id
    now(): number
    /** How far the server's clock is ahead, in ms. */
    clockOffset(): number
    /** The rows of messages on their way changed. */
    changed(place: PlaceKey): void
    /** The server has it under this id. */
    arrived(entry: Entry, id: Id): void
    /** The login has ended. */
    expired(): void
}

export class OutboxRunner {
    readonly outbox: Outbox
    /** Whether this tab sends. Another sends what it finds stored. */
    active = false
    /** Ids that are the arrival of some message of ours: two with the same text are two. */
    private readonly taken = new Set<Id>()

    constructor(
        private readonly host: OutboxHost,
        private readonly random: () => number = Math.random,
    ) {
        this.outbox = new Outbox(this.random)
    }

    async add(entry: Entry): Promise<void> {
        this.outbox.put(entry)
        this.host.changed(entry.place)
        // A browser that cannot store still sends.
        await this.host.store.putEntry(entry).catch(() => undefined)
        this.run()
    }

    /** To be called about every second, and when something may have become possible. */
    run(): void {
        if (!this.active) return
        for (const task of this.outbox.due(this.host.now())) void this.carryOut(task)
    }

    async retry(nonce: string): Promise<void> {
        const entry = this.outbox.get(nonce)
        if (entry === null) return
        const fresh = newNonce()
        this.outbox.again(nonce, fresh, this.host.now())
        const renewed = this.outbox.get(fresh) ?? this.outbox.get(nonce)
        this.host.changed(entry.place)
        if (renewed !== null) {
            if (renewed.nonce !== nonce) await this.host.store.deleteEntry(nonce).catch(() => undefined)
            await this.host.store.putEntry(renewed).catch(() => undefined)
        }
        this.run()
    }

    async discard(nonce: string): Promise<void> {
        const entry = this.outbox.get(nonce)
        if (entry === null || entry.state === 'sending') return
        await this.drop(entry)
        this.run()
    }

    private async drop(entry: Entry): Promise<void> {
        this.outbox.remove(entry.nonce)
        this.host.changed(entry.place)
        await this.host.store.deleteEntry(entry.nonce).catch(() => undefined)
    }

    /** The server told of a message with this nonce: whatever the answer will be, it has arrived. */
    async seen(nonce: string, id: Id): Promise<void> {
        const entry = this.outbox.get(nonce)
        if (entry === null) return
        this.taken.add(id)
        this.host.arrived(entry, id)
        await this.drop(entry)
        this.run()
    }

    private async carryOut(task: Task): Promise<void> {
        const { entry } = task
        this.outbox.begin(entry.nonce)
        this.host.changed(entry.place)
        try {
            const id = task.do === 'send' ? await this.send(entry) : await this.find(entry)
            if (id === null) {
                this.outbox.ask(entry.nonce)
                await this.keep(entry.nonce)
            } else {
                await this.seen(entry.nonce, id)
            }
        } catch (error) {
            const failure = failureOf(error)
            this.outbox.failed(entry.nonce, failure, this.host.now())
            await this.keep(entry.nonce)
            if (failure.status === 401) this.host.expired()
        }
        this.host.changed(entry.place)
        this.run()
    }

    private async keep(nonce: string): Promise<void> {
        const entry = this.outbox.get(nonce)
        if (entry !== null) await this.host.store.putEntry(entry).catch(() => undefined)
    }

    private async send(entry: Entry): Promise<Id> {
        const { nonce, body, reply_to, attachments, mentions, embed } = entry
        const answer = await this.host.http.request<{ msg_id: Id }>(await this.host.path(entry.place), {
            method: 'POST',
            body: {
                nonce,
                body,
                ...(reply_to === null ? {} : { reply_to }),
                ...(attachments.length > 0 ? { attachments } : {}),
                ...(mentions.length > 0 ? { mentions } : {}),
                ...(embed === undefined ? {} : { embed }),
            },
        })
        return answer.msg_id
    }

    /** Looks for the message in the history since it was written; null where it is not there. */
    private async find(entry: Entry): Promise<Id | null> {
        const path = await this.host.path(entry.place)
        const since = (BigInt(Math.max(0, entry.created + this.host.clockOffset() - CLOCKS_MS)) << ID_SHIFT).toString()
        let before: Id | undefined
        for (let pages = 0; pages < CHECK_PAGES; pages++) {
            const page: WirePage = await this.host.http.request<WirePage>(path, {
                query: { after: since, before, limit: PAGE, include: 'authors' },
            })
            const own = page.messages.filter(
                (one) =>
                    one.author_id === this.host.me() &&
                    !this.taken.has(one.msg_id) &&
                    one.body === entry.body &&
                    (one.reply_to ?? null) === entry.reply_to &&
                    (one.attachments ?? []).length === entry.attachments.length,
            )
            if (own.length > 0) return own.map((one) => one.msg_id).sort(compareIds)[0]!
            if (page.messages.length < PAGE) return null
            before = page.messages.at(-1)!.msg_id
        }
        return null
    }
}

function failureOf(error: unknown): Failure {
    if (!(error instanceof ApiError)) return { status: 0, code: 'NETWORK', message: String(error), retryAfterMs: null }
    const { status, code, message, retryAfterMs } = error
    return { status, code, message, retryAfterMs }
}
