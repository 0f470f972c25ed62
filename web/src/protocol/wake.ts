/** Notices that the machine slept: a tick of 5 s that comes more than 15 s late. */

export const TICK_MS = 5_000
const LATE_MS = 15_000

export class Wake {
    constructor(private last: number) {}

    /** To be called about every `TICK_MS`; whether the machine, or this worker, stood still since the last call. */
    tick(now: number): boolean {
        const slept = now - this.last > TICK_MS + LATE_MS
        this.last = now
        return slept
    }
}
