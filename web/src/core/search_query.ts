/** What is typed into the search field, taken apart: words, and filters such as `from:ada has:file before:2026-11-30 pinned`. */

export const FILTERS = ['from', 'in', 'has', 'before', 'after', 'pinned'] as const
export type FilterName = (typeof FILTERS)[number]

export interface Filter {
    name: FilterName
    value: string
}

export interface Typed {
    /** What is looked for. */
    words: string
    filters: Filter[]
}

const FILTER = /(?:^|\s)(from|in|has|before|after|pinned):(?:"([^"]*)"|(\S*))(?=\s|$)/giu

/** Takes the filters out of a text; of the same name the last one counts. */
export function takeApart(text: string): Typed {
    const filters = new Map<FilterName, string>()
    const words = text.replace(FILTER, (whole: string, name: string, quoted?: string, bare?: string) => {
        const value = quoted ?? bare ?? ''
        const filter = name.toLowerCase() as FilterName
        if (value === '' && filter !== 'pinned') return whole
        filters.set(filter, value.replace(/^[@#]/, ''))
        return ' '
    })
    return { words: words.replace(/\s+/g, ' ').trim(), filters: [...filters].map(([name, value]) => ({ name, value })) }
}

/** The filter that is being typed before the caret: `from:ad` → from, `ad`. */
export function filterAt(text: string, caret: number): { name: FilterName; value: string; start: number } | null {
    const found = /(?:^|\s)(from|in|has|before|after):("?)([^"\s]*)$/iu.exec(text.slice(0, caret))
    if (found === null) return null
    const value = found[3]!
    return {
        name: found[1]!.toLowerCase() as FilterName,
        value: value.replace(/^[@#]/, ''),
        start: caret - value.length - found[2]!.length - found[1]!.length - 1,
    }
}

/** The words of a query as they are marked in what was found. */
export function wordsOf(query: string): string[] {
    return [...query.matchAll(/"([^"]+)"|(\S+)/g)]
        .map((found) => found[1] ?? found[2] ?? '')
        .filter((one) => one !== '"')
}

/** The first moment of a local day that is written as year-month-day; null for anything else. */
export function startOfDay(text: string): Date | null {
    const found = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text.trim())
    if (found === null) return null
    const [year, month, day] = [Number(found[1]), Number(found[2]), Number(found[3])]
    const date = new Date(year, month - 1, day)
    return date.getFullYear() === year && date.getMonth() === month - 1 && date.getDate() === day ? date : null
}

export function dayText(date: Date): string {
    const two = (value: number): string => String(value).padStart(2, '0')
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}
