/** The read marks of one user: moved by reading here, by other devices, and by what arrives. */
import type { Http } from '../api/http'
import { isNewer, type Id } from '../core/ids'
import type { Mark, PlaceKey } from '../store/entities'
import { mentionsIn, type WireMessage } from '../store/messages'
import { markKey, type State } from '../store/state'
import { arrived, moved, type Arrival } from '../store/unread'
import { ignoreRefusal, type Places } from './places'

const READ_MS = 400

export interface MarksHost {
    readonly http: Http
    readonly user: Id
    readonly state: State
    readonly places: Places
    marksChanged(): void
    later(name: string, ms: number, work: () => void): void
}

/** A view whose user marked something unread keeps it so until it is closed. */
export interface Reader {
    readonly key: PlaceKey
    isHeld: boolean
}

export class Marks {
    constructor(private readonly host: MarksHost) {}

    private set(place: PlaceKey, mark: Mark): void {
        this.host.state.marks.set(place, mark)
        this.host.marksChanged()
    }

    /** A message came into a place. Threads count for those who follow them, from the start of this page on. */
    arrived(place: PlaceKey, wire: WireMessage): void {
        const { marks, followed } = this.host.state
        const follows = wire.thread_id != null && followed.threads.has(wire.thread_id)
        const mark = marks.get(place) ?? (follows ? threadMark(wire.thread_id!) : undefined)
        if (mark === undefined || (wire.thread_id != null && !follows)) return
        this.set(place, arrived(mark, arrivalOf(wire), this.host.user))
    }

    /** Another device of the user moved a mark. */
    readUpdate(d: Record<string, unknown>): void {
        const place = markKey(d as { feed_id?: Id; dm_id?: Id })
        const mark = this.host.state.marks.get(place)
        if (mark === undefined) return
        const to = d.last_read_msg_id
        this.move(place, mark, typeof to === 'string' && to !== '0' ? to : null)
    }

    private move(place: PlaceKey, mark: Mark, to: Id | null): void {
        const after = this.after(place, to)
        this.set(place, moved(mark, to, after, this.host.user))
        if (after === null && !place.startsWith('thread:'))
            this.host.later(`count:${place}`, READ_MS, () => void this.count(place).catch(ignoreRefusal))
    }

    /** The messages after an id, where all of them are known. */
    private after(place: PlaceKey, to: Id | null): Arrival[] | null {
        const log = this.host.places.log(place)
        const range = log.ranges.newest
        if (
            range === null ||
            !range.live ||
            (to === null ? !range.oldest : isNewer(range.ids[0]!, to) && !range.oldest)
        )
            return null
        return range.ids
            .filter((id) => to === null || isNewer(id, to))
            .map((id) => log.message(id))
            .filter((one) => one !== null)
            .map((one) => ({ id: one.msg_id, author: one.author_id, mentions: one.mentions }))
    }

    /** Asks the server what is unread, where the messages are not known here. */
    private async count(place: PlaceKey): Promise<void> {
        const { http, places, state, user } = this.host
        const mark = state.marks.get(place)
        if (mark === undefined) return
        const answer = await http.request<{ messages: WireMessage[] }>(await places.path(place), {
            query: { after: mark.last_read_msg_id ?? '0', limit: 100, include: 'authors' },
        })
        const now = this.host.state.marks.get(place)
        if (now === undefined || now.last_read_msg_id !== mark.last_read_msg_id) return
        this.set(place, moved(now, now.last_read_msg_id, answer.messages.map(arrivalOf), user))
    }

    read(view: Reader, id: Id): void {
        const mark = this.host.state.marks.get(view.key)
        if (view.isHeld || mark === undefined) return
        if (mark.last_read_msg_id !== null && !isNewer(id, mark.last_read_msg_id)) return
        this.move(view.key, mark, id)
        this.sendSoon(view.key)
    }

    /** All that is there counts as read. */
    readAll(place: PlaceKey): void {
        const mark = this.host.state.marks.get(place)
        if (mark === undefined || mark.last_msg_id === null) return
        if (mark.last_read_msg_id !== null && !isNewer(mark.last_msg_id, mark.last_read_msg_id)) return
        this.move(place, mark, mark.last_msg_id)
        this.sendSoon(place)
    }

    private sendSoon(place: PlaceKey): void {
        this.host.later(`read:${place}`, READ_MS, () => void this.send(place, false).catch(ignoreRefusal))
    }

    /** Throws `ApiError`; the mark is as it was then. */
    async unreadFrom(view: Reader, id: Id): Promise<void> {
        const mark = this.host.state.marks.get(view.key)
        if (mark === undefined) return
        view.isHeld = true
        const log = this.host.places.log(view.key)
        const ids = log.ranges.all.find((range) => range.ids.includes(id))?.ids ?? [id]
        const before = ids[ids.indexOf(id) - 1] ?? (BigInt(id) - 1n).toString()
        this.move(view.key, mark, before)
        try {
            await this.send(view.key, true)
        } catch (error) {
            view.isHeld = false
            this.set(view.key, mark)
            throw error
        }
    }

    private async send(place: PlaceKey, unread: boolean): Promise<void> {
        const mark = this.host.state.marks.get(place)
        const [kind, id] = place.split(':') as [string, Id]
        if (mark === undefined || kind === 'thread') return
        const body = { up_to_msg_id: mark.last_read_msg_id ?? '0', ...(unread ? { unread } : {}) }
        await this.host.http.request(`${kind}s/${id}/read`, { method: 'POST', body })
    }
}

function threadMark(thread: Id): Mark {
    return { thread_id: thread, last_read_msg_id: null, last_msg_id: null, unread: 0, mentions: 0 }
}

function arrivalOf(wire: WireMessage): Arrival {
    return { id: wire.msg_id, author: wire.author_id ?? '0', mentions: wire.mentions ?? mentionsIn(wire.body ?? '') }
}
