/** Ids are texts of decimal digits: numbers above 2^53 would be rounded. They order by length, then by letters. */
export type Id = string

/** Negative where `a` is older, 0 where they are the same, positive where `a` is newer. */
export function compareIds(a: Id, b: Id): number {
    return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
}

export function isNewer(a: Id, b: Id): boolean {
    return compareIds(a, b) > 0
}

/** Whether a text from an address or another program can be an id. */
export function isId(text: string | undefined): text is Id {
    return text !== undefined && /^[1-9][0-9]{0,18}$/.test(text)
}
