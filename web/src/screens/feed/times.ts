/** Times as their reader writes them. */
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' })
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

export const longDay = (ms: number): string => DAY.format(ms)
export const clock = (ms: number): string => CLOCK.format(ms)
export const fullTime = (ms: number): string => FULL.format(ms)

/** A text that is the same for all moments of one local day. */
export function dayOf(ms: number): string {
    const date = new Date(ms)
    return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`
}
