/** Feeds as the side bar shows them: those without a category first, then category by category. */
import type { Id } from './ids'

interface Placed {
    position: number
    category_id: Id | null
}

export interface FeedGroup<F> {
    id: Id
    name: string
    feeds: F[]
}

/** The groups that have feeds, in order. `loose` is the name of the group without a category. */
export function groupFeeds<F extends Placed>(
    categories: readonly { category_id: Id; name: string; position: number }[],
    feeds: readonly F[],
    loose: string,
): FeedGroup<F>[] {
    const byPosition = (a: { position: number }, b: { position: number }): number => a.position - b.position
    const known = new Set(categories.map((one) => one.category_id))
    const of = (wanted: Id | null): F[] =>
        feeds.filter((one) => (known.has(one.category_id ?? '') ? one.category_id : null) === wanted).sort(byPosition)
    return [
        { id: '', name: loose, feeds: of(null) },
        ...categories
            .toSorted(byPosition)
            .map((one) => ({ id: one.category_id, name: one.name, feeds: of(one.category_id) })),
    ].filter((group) => group.feeds.length > 0)
}
