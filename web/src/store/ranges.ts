/**
 * The messages of one place that are known, as ranges of ids in which none is missing. Only a page that overlaps a range, or live
 * events of an unbroken session, make it longer; what lies between two ranges is unknown.
 */
import { compareIds, type Id } from '../core/ids'

export interface Range {
    /** Ascending, never empty. */
    readonly ids: readonly Id[]
    /** It begins with the first message of the place. */
    readonly oldest: boolean
    /** It ends with the newest message, and live events keep it so. */
    readonly live: boolean
    /** Something is missing between the range before and this one, and the reader is told so. */
    readonly gap: boolean
}

export interface Page {
    /** Ascending. */
    ids: readonly Id[]
    /** The page reaches up to this id, which was known before (exclusive). */
    before?: Id | undefined
    /** The page reaches down to this id (exclusive). */
    after?: Id | undefined
    oldest?: boolean
    live?: boolean
    /** Whether a range that touches no other shows the gap before it. */
    gap?: boolean
}

/** The first index in `ids` whose id is not older than `id`. */
export function indexOf(ids: readonly Id[], id: Id): number {
    let low = 0
    let high = ids.length
    while (low < high) {
        const middle = (low + high) >> 1
        if (compareIds(ids[middle]!, id) < 0) low = middle + 1
        else high = middle
    }
    return low
}

export function contains(ids: readonly Id[], id: Id): boolean {
    return ids[indexOf(ids, id)] === id
}

export class Ranges {
    /** Oldest first, none touches another. */
    all: readonly Range[] = []

    get newest(): Range | null {
        return this.all.at(-1) ?? null
    }

    /** Whether the newest message is known and kept so; an empty place that is complete counts too. */
    get isLive(): boolean {
        return this.emptyAndLive || (this.newest?.live ?? false)
    }

    private emptyAndLive = false

    find(id: Id): number {
        return this.all.findIndex((range) => contains(range.ids, id))
    }

    /**
     * Takes a page in. Within what the page covers it is the truth: known ids that it does not name are gone, except those in
     * `arrived`, which came while it was read.
     *
     * @returns the ids that are gone.
     */
    merge(page: Page, arrived: ReadonlySet<Id> = new Set()): Id[] {
        const { ids } = page
        if (ids.length === 0 && page.before === undefined && page.after === undefined) {
            if (page.live === true && page.oldest === true) return this.becomeEmpty(arrived)
            return []
        }
        const low = page.after ?? ids[0] ?? page.before!
        const high = page.before ?? ids.at(-1) ?? page.after!
        const touched = this.all.filter(
            (range) => compareIds(range.ids[0]!, high) <= 0 && compareIds(range.ids.at(-1)!, low) >= 0,
        )
        const named = new Set(ids)
        const gone: Id[] = []
        const union = new Set(ids)
        for (const range of touched) {
            for (const id of range.ids) {
                const covered =
                    (page.after === undefined ? compareIds(id, low) >= 0 : compareIds(id, low) > 0) &&
                    (page.before === undefined ? compareIds(id, high) <= 0 : compareIds(id, high) < 0)
                if (page.oldest === true && compareIds(id, low) < 0) gone.push(id)
                else if (covered && !named.has(id) && !arrived.has(id)) gone.push(id)
                else union.add(id)
            }
        }
        for (const id of arrived)
            if (page.live === true || compareIds(id, high) < 0) if (compareIds(id, low) > 0) union.add(id)
        const rest = this.all.filter((range) => !touched.includes(range))
        const oldest = page.oldest === true || touched.some((range) => range.oldest)
        const joined: Range = {
            ids: [...union].sort(compareIds),
            oldest,
            live: page.live === true || touched.some((range) => range.live),
            gap: !oldest && (touched[0]?.gap ?? page.gap ?? false),
        }
        this.emptyAndLive = false
        const all = joined.ids.length > 0 ? [...rest, joined] : rest
        this.all = all.sort((a, b) => compareIds(a.ids[0]!, b.ids[0]!))
        return gone
    }

    private becomeEmpty(arrived: ReadonlySet<Id>): Id[] {
        const gone = this.all.flatMap((range) => range.ids).filter((id) => !arrived.has(id))
        const ids = [...arrived].sort(compareIds)
        this.all = ids.length > 0 ? [{ ids, oldest: true, live: true, gap: false }] : []
        this.emptyAndLive = ids.length === 0
        return gone
    }

    /** A live event brought a message; false where the newest range is not known to be the newest. */
    append(id: Id): boolean {
        const last = this.newest
        if (last === null) {
            if (!this.emptyAndLive) return false
            this.all = [{ ids: [id], oldest: true, live: true, gap: false }]
            this.emptyAndLive = false
            return true
        }
        if (!last.live) return false
        const at = indexOf(last.ids, id)
        if (last.ids[at] === id) return true
        if (at === 0 && !last.oldest) return false
        this.replace(last, { ...last, ids: last.ids.toSpliced(at, 0, id) })
        return true
    }

    remove(id: Id): void {
        const at = this.find(id)
        if (at < 0) return
        const range = this.all[at]!
        const ids = range.ids.filter((one) => one !== id)
        if (ids.length > 0) return this.replace(range, { ...range, ids })
        this.emptyAndLive = range.oldest && range.live
        this.all = this.all.filter((one) => one !== range)
    }

    /** The session broke: what was the newest may no longer be. */
    cut(): void {
        this.emptyAndLive = false
        const last = this.newest
        if (last?.live === true) this.replace(last, { ...last, live: false })
    }

    /** Forgets all but the newest `count` messages of the newest range. */
    trim(count: number): Id[] {
        const last = this.newest
        if (last === null) return []
        const kept = last.ids.slice(-count)
        const gone = this.all.flatMap((range) => range.ids).filter((id) => !contains(kept, id))
        this.all = [{ ...last, ids: kept, oldest: last.oldest && kept.length === last.ids.length, gap: false }]
        return gone
    }

    private replace(range: Range, by: Range): void {
        this.all = this.all.map((one) => (one === range ? by : one))
    }
}
