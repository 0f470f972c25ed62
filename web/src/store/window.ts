/** The part of a place that stands in the page: at most three pages of messages, moved by scrolling, jumps and arrivals. */
import { compareIds, type Id } from '../core/ids'
import { indexOf, type Range, type Ranges } from './ranges'

export const PAGE = 50
export const MOST = 3 * PAGE
/** How far arrivals may make it longer while its reader is not at the end. */
const SLACK = 50

export type RowKey = { id: Id } | { before: Id; after: Id }

interface Chain {
    ids: Id[]
    /** Ids that something is missing before. */
    gaps: Set<Id>
    lowest: Range
    highest: Range
}

export class Window {
    private first: Id | null = null
    private last: Id | null = null
    /** It ends with the newest known message, and goes on with what arrives. */
    atEnd = true
    /** The reader is at the end: what arrives pushes the oldest rows out. */
    follow = true

    /** The ranges around the window, with the gaps between them. */
    private chain(ranges: Ranges): Chain | null {
        const { all } = ranges
        if (all.length === 0) return null
        const anchor = this.atEnd ? null : (this.last ?? this.first)
        let at = all.length - 1
        if (anchor !== null) {
            const found = all.findIndex((range) => compareIds(anchor, range.ids.at(-1)!) <= 0)
            if (found >= 0) at = found
        }
        let low = at
        let high = at
        while (low > 0 && all[low]!.gap) low -= 1
        while (high + 1 < all.length && all[high + 1]!.gap) high += 1
        const part = all.slice(low, high + 1)
        return {
            ids: part.flatMap((range) => range.ids),
            gaps: new Set(part.slice(1).map((range) => range.ids[0]!)),
            lowest: part[0]!,
            highest: part.at(-1)!,
        }
    }

    private bounds(ids: readonly Id[]): [number, number] {
        const end =
            this.atEnd || this.last === null ? ids.length - 1 : Math.min(ids.length - 1, indexOf(ids, this.last))
        const start = this.first === null ? Math.max(0, end - PAGE + 1) : Math.min(end, indexOf(ids, this.first))
        return [start, end]
    }

    private set(ids: readonly Id[], start: number, end: number): void {
        this.first = ids[start] ?? null
        this.last = ids[end] ?? null
    }

    /** Takes in what arrived or went, and says what is shown. */
    rows(ranges: Ranges): { rows: RowKey[]; hasOlder: boolean; hasNewer: boolean; newerCount: number } {
        const chain = this.chain(ranges)
        if (chain === null) return { rows: [], hasOlder: false, hasNewer: false, newerCount: 0 }
        const { ids } = chain
        let [start, end] = this.bounds(ids)
        if (this.atEnd && !this.follow && end - start + 1 > MOST + SLACK) {
            this.atEnd = false
            end = start + MOST + SLACK - 1
        }
        if (this.atEnd && this.follow && end - start + 1 > MOST) start = end - MOST + 1
        this.set(ids, start, end)
        const rows: RowKey[] = []
        for (let at = start; at <= end; at++) {
            const id = ids[at]!
            if (chain.gaps.has(id) && at > start) rows.push({ before: id, after: ids[at - 1]! })
            rows.push({ id })
        }
        const newer = ids.length - 1 - end
        return {
            rows,
            hasOlder: start > 0 || !chain.lowest.oldest,
            hasNewer: newer > 0 || chain.highest !== ranges.newest || !chain.highest.live,
            newerCount: chain.highest.live ? newer : 0,
        }
    }

    /** The id that an older page is to be read before; null where it is known, or there is none. */
    needsOlder(ranges: Ranges): Id | null {
        const chain = this.chain(ranges)
        if (chain === null || chain.lowest.oldest) return null
        return this.bounds(chain.ids)[0] >= PAGE ? null : chain.ids[0]!
    }

    /** The id that messages are to be read around to go on; null where they are known, or this is the end. */
    needsNewer(ranges: Ranges): Id | null {
        const chain = this.chain(ranges)
        if (chain === null || (chain.highest === ranges.newest && chain.highest.live)) return null
        return chain.ids.length - 1 - this.bounds(chain.ids)[1] >= PAGE ? null : chain.ids.at(-1)!
    }

    moveOlder(ranges: Ranges): void {
        const chain = this.chain(ranges)
        if (chain === null) return
        const [start, end] = this.bounds(chain.ids)
        const next = Math.max(0, start - PAGE)
        const cut = Math.min(end, next + MOST - 1)
        if (cut < end) this.atEnd = false
        this.set(chain.ids, next, cut)
    }

    moveNewer(ranges: Ranges): void {
        const chain = this.chain(ranges)
        if (chain === null) return
        const [start, end] = this.bounds(chain.ids)
        const next = Math.min(chain.ids.length - 1, end + PAGE)
        this.set(chain.ids, Math.max(start, next - MOST + 1), next)
        this.atEnd = next === chain.ids.length - 1 && chain.highest === ranges.newest
    }

    toEnd(): void {
        this.first = this.last = null
        this.atEnd = true
    }

    /** Shows what is known around an id; whether that is enough on both sides. */
    around(ranges: Ranges, id: Id): boolean {
        const range = ranges.all.find((one) => compareIds(one.ids[0]!, id) <= 0 && compareIds(id, one.ids.at(-1)!) <= 0)
        if (range === undefined) return false
        const at = indexOf(range.ids, id)
        const start = Math.max(0, at - PAGE / 2)
        const end = Math.min(range.ids.length - 1, at + PAGE / 2)
        this.set(range.ids, start, end)
        this.atEnd = end === range.ids.length - 1 && range === ranges.newest && range.live
        const enough = PAGE / 5
        return (at - start >= enough || range.oldest) && (end - at >= enough || range.live)
    }

    /** The ids that are shown. */
    shown(ranges: Ranges): Id[] {
        return this.rows(ranges).rows.flatMap((row) => ('id' in row ? [row.id] : []))
    }
}
