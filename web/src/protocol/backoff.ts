/** How long to wait before trying again: 1 s, doubled each time, at most 60 s, and between half and all of it by chance. */

const FIRST_MS = 1_000
const LONGEST_MS = 60_000

/** `tries` is how many have failed, from 1; `random` gives a number from 0 up to 1. */
export function backoff(tries: number, random: () => number): number {
    const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(16, Math.max(0, tries - 1)))
    return Math.round(whole * (0.5 + random() / 2))
}
