/** The messages of all places: reading pages, applying events, keeping within bounds. */
import { ApiError, type Http } from '../api/http'
import { compareIds, type Id } from '../core/ids'
import { placeKey, type Member, type PlaceKey, type Thread } from '../store/entities'
import { Log } from '../store/log'
import { INCLUDE, type WireMessage, type WirePage } from '../store/messages'
import type { Page } from '../store/ranges'
import { PAGE } from '../store/window'

const MOST_MESSAGES = 10_000
const KEPT_OF_CLOSED = 150
const CATCH_UP_PAGES = 4
const MOST_UNCLEAR = 10

export interface PlacesHost {
    readonly http: Http
    /** Counts sessions of the gateway: in one, no event is missed. 0 while there is none. */
    readonly epoch: number
    readonly live: boolean
    me(): Id
    thread(id: Id): Thread | undefined
    knowThread(thread: Thread): void
    addMembers(members: readonly Member[]): void
    /** Rows of a place may have changed. */
    changed(place: PlaceKey): void
}

export function beforeId(id: Id): Id {
    return (BigInt(id) + 1n).toString()
}

export function afterId(id: Id): Id {
    return (BigInt(id) - 1n).toString()
}

export class Places {
    private readonly logs = new Map<PlaceKey, Log>()
    private readonly open = new Map<PlaceKey, number>()

    constructor(private readonly host: PlacesHost) {}

    /** The messages of a place; asking for them makes it the latest used. */
    log(place: PlaceKey): Log {
        const log = this.logs.get(place) ?? new Log()
        this.logs.delete(place)
        this.logs.set(place, log)
        return log
    }

    /** The places that were used last, the latest first, with their messages. */
    recent(): [PlaceKey, Log][] {
        return [...this.logs].reverse()
    }

    hold(place: PlaceKey): void {
        this.open.set(place, (this.open.get(place) ?? 0) + 1)
    }

    release(place: PlaceKey): void {
        const left = (this.open.get(place) ?? 1) - 1
        if (left > 0) this.open.set(place, left)
        else this.open.delete(place)
        this.bound()
    }

    private bound(): void {
        let total = [...this.logs.values()].reduce((sum, log) => sum + log.size, 0)
        for (const [place, log] of this.logs) {
            if (total <= MOST_MESSAGES) return
            if (this.open.has(place)) continue
            total -= log.size
            log.trim(KEPT_OF_CLOSED)
            total += log.size
            if (total <= MOST_MESSAGES) return
            total -= log.size
            this.logs.delete(place)
        }
    }

    forget(place: PlaceKey): void {
        this.logs.delete(place)
    }

    clear(): void {
        this.logs.clear()
    }

    /** A session ended: nothing is known to be the newest any more. */
    cut(): void {
        for (const log of this.logs.values()) log.ranges.cut()
    }

    /** Where the server keeps a place's messages. Throws `ApiError`. */
    async path(place: PlaceKey): Promise<string> {
        const [kind, id] = place.split(':') as [string, Id]
        if (kind === 'feed') return `feeds/${id}/messages`
        if (kind === 'dm') return `dms/${id}/messages`
        let thread = this.host.thread(id)
        if (thread === undefined) {
            thread = await this.host.http.request<Thread>(`threads/${id}`)
            this.host.knowThread(thread)
        }
        return `feeds/${thread.parent_feed_id}/threads/${id}/messages`
    }

    private async page(
        place: PlaceKey,
        query: Record<string, Id | number>,
        claims: (ids: readonly Id[], full: boolean) => Omit<Page, 'ids'>,
    ): Promise<Id[]> {
        const path = await this.path(place)
        const log = this.log(place)
        const flight = log.takeOff(this.host.live ? this.host.epoch : 0)
        let answer: WirePage
        try {
            answer = await this.host.http.request<WirePage>(path, {
                query: { include: INCLUDE, limit: PAGE, ...query },
            })
        } catch (error) {
            log.abandon(flight)
            throw error
        }
        const ids = answer.messages.map((one) => one.msg_id).reverse()
        this.host.addMembers(answer.authors ?? [])
        const full = ids.length >= PAGE
        const unclear = log.land(flight, answer, claims(ids, full), this.host.live ? this.host.epoch : -1)
        this.host.changed(place)
        for (const id of unclear.slice(0, MOST_UNCLEAR)) void this.refresh(place, id, id).catch(ignoreRefusal)
        return ids
    }

    /** Reads the newest page; a gap to what was known before is shown. Throws `ApiError`, as all below. */
    async newest(place: PlaceKey): Promise<void> {
        const log = this.log(place)
        const known = log.ranges.newest !== null
        await this.page(place, {}, (_, full) => ({ live: true, oldest: !full, gap: known }))
    }

    /** Reads newest pages until they meet what was known, at most four; the rest stays a gap. */
    async catchUp(place: PlaceKey): Promise<void> {
        const { ranges } = this.log(place)
        await this.newest(place)
        for (let pages = 1; pages < CATCH_UP_PAGES && ranges.newest?.gap === true; pages++)
            await this.older(place, ranges.newest.ids[0]!)
    }

    /** Reads the page before an id that is known. */
    async older(place: PlaceKey, before: Id): Promise<void> {
        await this.page(place, { before }, (_, full) => ({ before, oldest: !full }))
    }

    /** Reads the messages around an id, from which one goes on in both directions. */
    async around(place: PlaceKey, id: Id): Promise<void> {
        await this.page(place, { around: id }, (ids) => {
            const newer = ids.filter((one) => compareIds(one, id) > 0).length
            // The newer half is filled first; what is left over goes to the older one.
            return { oldest: ids.length < PAGE, live: newer < PAGE / 2 }
        })
    }

    /** Reads the newest page of a gap; where it is short, the gap is closed. */
    async gap(place: PlaceKey, before: Id, after: Id): Promise<void> {
        await this.page(place, { before, after }, (_, full) => (full ? { before } : { before, after }))
    }

    /** Reads known messages again, from an id up to another, both with them. */
    async refresh(place: PlaceKey, from: Id, to: Id): Promise<void> {
        const after = afterId(from)
        let before = beforeId(to)
        for (let pages = 0; pages < CATCH_UP_PAGES; pages++) {
            const ids = await this.page(place, { before, after }, (_, full) => (full ? { before } : { before, after }))
            if (ids.length < PAGE) return
            before = ids[0]!
        }
    }

    /** Applies an event of a message. The place whose newest message it is, if it says so. */
    event(type: string, d: Record<string, unknown>): void {
        const id = String(d.msg_id)
        switch (type) {
            case 'message_create': {
                const wire = d as unknown as WireMessage
                const place = placeOf(wire)
                if (place === null) return
                if (this.logs.get(place)?.create(wire, this.host.epoch)) this.host.changed(place)
                return
            }
            case 'message_update': {
                const { body, edit_timestamp, embed, embeds } = d as unknown as WireMessage
                const part: Record<string, unknown> = { body: body ?? '', edit_timestamp: edit_timestamp ?? null }
                if (embed !== undefined || embeds !== undefined)
                    part.embeds = [...(embed ? [embed] : []), ...(embeds ?? [])]
                return this.each((log) => log.patch(id, part))
            }
            case 'message_pin_update':
                return this.each((log) => log.patch(id, { pinned: d.pinned === true }))
            case 'message_delete':
                return this.each((log) => log.remove(id))
            case 'message_bulk_delete':
                for (const one of (d.msg_ids as Id[] | undefined) ?? []) this.each((log) => log.remove(one))
                return
            case 'message_reaction_add':
            case 'message_reaction_remove': {
                const mine = d.user_id === this.host.me()
                return this.each((log) => log.react(id, String(d.emoji), mine, type === 'message_reaction_add'))
            }
        }
    }

    private each(change: (log: Log) => boolean): void {
        for (const [place, log] of this.logs) if (change(log)) this.host.changed(place)
    }
}

export function placeOf(wire: WireMessage): PlaceKey | null {
    if (wire.thread_id) return placeKey({ kind: 'thread', id: wire.thread_id })
    if (wire.feed_id) return placeKey({ kind: 'feed', id: wire.feed_id })
    return wire.dm_id ? placeKey({ kind: 'dm', id: wire.dm_id }) : null
}

export function ignoreRefusal(error: unknown): void {
    if (!(error instanceof ApiError)) throw error
}
