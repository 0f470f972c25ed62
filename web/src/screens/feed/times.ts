/** Times as their reader writes them. */
import { localeTag } from '../../words/language.svelte'

const made = new Map<string, Intl.DateTimeFormat>()

/** Making a formatter takes long, so each is made once for a language. */
function format(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    const tag = localeTag()
    const key = `${tag} ${name}`
    const known = made.get(key) ?? new Intl.DateTimeFormat(tag, options)
    made.set(key, known)
    return known
}

export const longDay = (ms: number): string =>
    format('day', { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }).format(ms)
export const clock = (ms: number): string => format('clock', { hour: '2-digit', minute: '2-digit' }).format(ms)
export const fullTime = (ms: number): string => format('full', { dateStyle: 'medium', timeStyle: 'short' }).format(ms)

/** A text that is the same for all moments of one local day. */
export function dayOf(ms: number): string {
    const date = new Date(ms)
    return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`
}
