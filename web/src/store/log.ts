/** The messages of one place: which ids are known, what they say, and what happened to them while pages were being read. */
import type { Id } from '../core/ids'
import type { Message } from './entities'
import { messageOf, reacted, type WireMessage, type WirePage } from './messages'
import { Ranges, type Page } from './ranges'

/** A page that is being read; events that come meanwhile are newer than what it says, or in it already. */
export interface Flight {
    readonly epoch: number
    readonly arrived: Set<Id>
    readonly deleted: Set<Id>
    readonly patches: Map<Id, Partial<Message>>
    readonly reacted: Set<Id>
}

interface Kept {
    message: Message
    /** The session in which it was read; events keep it right as long as that one lasts. */
    epoch: number
}

export class Log {
    readonly ranges = new Ranges()
    private readonly kept = new Map<Id, Kept>()
    private readonly flights = new Set<Flight>()

    get size(): number {
        return this.kept.size
    }

    get ids(): Iterable<Id> {
        return this.kept.keys()
    }

    message(id: Id): Message | null {
        return this.kept.get(id)?.message ?? null
    }

    /** Whether something may have happened to a message that was not told. */
    isStale(id: Id, epoch: number): boolean {
        return (this.kept.get(id)?.epoch ?? epoch) < epoch
    }

    takeOff(epoch: number): Flight {
        const flight = {
            epoch,
            arrived: new Set<Id>(),
            deleted: new Set<Id>(),
            patches: new Map(),
            reacted: new Set<Id>(),
        }
        this.flights.add(flight)
        return flight
    }

    abandon(flight: Flight): void {
        this.flights.delete(flight)
    }

    /**
     * A page is there.
     *
     * @param epoch the session there is now; where it is another than that of the flight, the page is as old as the flight.
     * @returns messages whose reactions changed while the page was read, so that nobody knows whether it counts them.
     */
    land(flight: Flight, answer: WirePage, claims: Omit<Page, 'ids'>, epoch: number): Id[] {
        this.flights.delete(flight)
        const unbroken = flight.epoch === epoch
        const wires = answer.messages.filter((one) => !flight.deleted.has(one.msg_id)).reverse()
        const page: Page = { ...claims, ids: wires.map((one) => one.msg_id), live: unbroken && claims.live === true }
        const unclear: Id[] = []
        for (const wire of wires) {
            const id = wire.msg_id
            let message: Message = { ...messageOf(wire, answer), ...flight.patches.get(id) }
            if (flight.reacted.has(id)) {
                const known = this.kept.get(id)
                if (known !== undefined && known.epoch === epoch)
                    message = { ...message, reactions: known.message.reactions }
                else unclear.push(id)
            }
            this.kept.set(id, { message, epoch: flight.epoch })
        }
        const arrived = new Set([...flight.arrived].filter((id) => !flight.deleted.has(id) && this.kept.has(id)))
        for (const id of this.ranges.merge(page, arrived)) this.kept.delete(id)
        return unclear
    }

    /** A live event brought a message. Whether it stands in a range now. */
    create(wire: WireMessage, epoch: number): boolean {
        const replied = wire.reply_to ? this.message(wire.reply_to) : null
        const message: Message = {
            ...messageOf(wire),
            replied: replied && { msg_id: replied.msg_id, author_id: replied.author_id, body: replied.body },
        }
        for (const flight of this.flights) flight.arrived.add(wire.msg_id)
        const placed = this.ranges.append(wire.msg_id)
        if ((placed || this.flights.size > 0) && !this.kept.has(wire.msg_id))
            this.kept.set(wire.msg_id, { message, epoch })
        return placed
    }

    patch(id: Id, part: Partial<Message>): boolean {
        for (const flight of this.flights) flight.patches.set(id, { ...flight.patches.get(id), ...part })
        const known = this.kept.get(id)
        if (known === undefined) return false
        this.kept.set(id, { ...known, message: { ...known.message, ...part } })
        return true
    }

    react(id: Id, emoji: string, mine: boolean, on: boolean): boolean {
        for (const flight of this.flights) flight.reacted.add(id)
        const known = this.kept.get(id)
        if (known === undefined) return false
        const reactions = reacted(known.message.reactions, emoji, mine, on)
        this.kept.set(id, { ...known, message: { ...known.message, reactions } })
        return true
    }

    remove(id: Id): boolean {
        for (const flight of this.flights) flight.deleted.add(id)
        this.ranges.remove(id)
        return this.kept.delete(id)
    }

    /** Forgets all but the newest messages. */
    trim(count: number): void {
        this.ranges.trim(count)
        const ids = new Set(this.ranges.all.flatMap((range) => range.ids))
        for (const id of this.kept.keys()) if (!ids.has(id)) this.kept.delete(id)
    }

    /** The newest messages, as they are stored between visits. */
    newest(count: number): Message[] {
        return (this.ranges.newest?.ids.slice(-count) ?? []).map((id) => this.message(id)).filter((one) => one !== null)
    }

    /** Takes stored messages in: contiguous, but as old as they are. */
    restore(messages: readonly Message[]): void {
        for (const message of messages) this.kept.set(message.msg_id, { message, epoch: 0 })
        this.ranges.merge({ ids: messages.map((one) => one.msg_id) })
    }
}
