/** Ids of messages ascend with time: what is above their lowest 22 bits is the Unix millisecond. */
import type { Id } from './ids'

const SHIFT = 22n
/** The server's ids have 63 bits. */
const HIGHEST = (1n << 63n) - 1n

export function timeOfId(id: Id): number {
    return Number(BigInt(id) >> SHIFT)
}

/** The lowest id that a message of that moment can have. */
export function idAtTime(ms: number): Id {
    const id = BigInt(Math.max(0, Math.floor(ms))) << SHIFT
    return (id > HIGHEST ? HIGHEST : id).toString()
}
