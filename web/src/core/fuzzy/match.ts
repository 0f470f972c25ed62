/** How well a name fits what somebody is typing: the whole name, its beginning, the beginning of a word, letters within. */

const MARKS = /\p{M}+/gu

/** A text without case and accents. */
export function folded(text: string): string {
    return text.normalize('NFKD').replace(MARKS, '').toLowerCase()
}

/** Higher is better; 0 where it does not fit. */
export function score(name: string, query: string): number {
    const text = folded(name)
    const wanted = folded(query)
    if (wanted === '' || text === wanted) return 4
    if (text.startsWith(wanted)) return 3
    const at = text.indexOf(wanted)
    if (at < 0) return 0
    return /[\p{L}\p{N}]/u.test(text[at - 1]!) ? 1 : 2
}

/** The best fitting first; of equal ones, those that came first. */
export function best<T>(all: Iterable<T>, query: string, names: (one: T) => readonly string[], most: number): T[] {
    const scored: { one: T; points: number }[] = []
    for (const one of all) {
        const points = Math.max(0, ...names(one).map((name) => score(name, query)))
        if (points > 0) scored.push({ one, points })
    }
    return scored
        .sort((a, b) => b.points - a.points)
        .slice(0, most)
        .map(({ one }) => one)
}
