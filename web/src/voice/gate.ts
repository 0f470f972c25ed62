/** A noise gate: passes from a threshold on, and a moment longer so that words do not lose their ends. Pure. */

const HOLD_S = 0.3
const ATTACK_S = 0.004
const RELEASE_S = 0.06
/** What counts as silence, in dB of full scale. */
export const SILENCE_DB = -60

export interface GateSettings {
    /** A factor. */
    gain: number
    /** In dB of full scale; null passes everything. */
    threshold: number | null
    /** Whether the key of push to talk is held; null where one talks by voice. */
    held: boolean | null
}

export class Gate {
    settings: GateSettings = { gain: 1, threshold: null, held: null }
    private openUntil = 0
    private factor = 0

    constructor(private readonly rate: number) {}

    /** Whether it passes sound at present. */
    get isOpen(): boolean {
        return this.factor > 0.5
    }

    /**
     * Passes a block on, and returns its level before the gate: the root of the mean square, from 0 to 1.
     *
     * @param now in seconds
     */
    pass(input: Float32Array, output: Float32Array, now: number): number {
        const { gain } = this.settings
        let energy = 0
        for (let at = 0; at < input.length; at += 1) energy += (input[at]! * gain) ** 2
        const level = Math.sqrt(energy / Math.max(1, input.length))
        const target = this.wants(level, now) ? 1 : 0
        const step = 1 / (this.rate * (target === 1 ? ATTACK_S : RELEASE_S))
        for (let at = 0; at < input.length; at += 1) {
            this.factor = target === 1 ? Math.min(1, this.factor + step) : Math.max(0, this.factor - step)
            output[at] = Math.max(-1, Math.min(1, input[at]! * gain)) * this.factor
        }
        return level
    }

    private wants(level: number, now: number): boolean {
        const { threshold, held } = this.settings
        if (held !== null) return held
        if (threshold === null) return true
        if (decibels(level) >= threshold) this.openUntil = now + HOLD_S
        return now < this.openUntil
    }
}

/** A level from 0 to 1 in dB of full scale, at least `SILENCE_DB`. */
export function decibels(level: number): number {
    return level > 0 ? Math.max(SILENCE_DB, 20 * Math.log10(level)) : SILENCE_DB
}

export function factorOf(db: number): number {
    return 10 ** (db / 20)
}
