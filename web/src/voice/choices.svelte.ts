/** What the user has chosen for voice in this browser, remembered and followed by everything that sounds. */

/** A device as it is found again: by its id, and where browsers have changed that, by its name. */
export interface DeviceChoice {
    id: string
    label: string
}

export interface Choices {
    /** Null: the system's own. */
    microphone: DeviceChoice | null
    speaker: DeviceChoice | null
    camera: DeviceChoice | null
    /** In dB. */
    gain: number
    /** In dB of full scale; what is softer is not sent. Null: no gate. */
    gate: number | null
    echoCancelling: boolean
    noiseSuppression: boolean
    automaticGain: boolean
    talk: 'voice' | 'push'
    /** `KeyboardEvent.code`, or `Mouse3` and so on. */
    key: string
    /** How long one is heard after letting the key go, in ms. */
    releaseMs: number
}

export const GAIN_DB = { min: -20, max: 20 }
export const GATE_DB = { min: -60, max: 0 }
export const RELEASE_MS = { min: 0, max: 2_000 }

const KEY = 'vox-voice'
const DEFAULTS: Choices = {
    microphone: null,
    speaker: null,
    camera: null,
    gain: 0,
    gate: null,
    echoCancelling: true,
    noiseSuppression: true,
    automaticGain: true,
    talk: 'voice',
    key: 'ControlRight',
    releaseMs: 200,
}

/** Choices from what was stored; whatever is broken has its default. */
export function choicesOf(stored: unknown): Choices {
    const given = (typeof stored === 'object' && stored !== null ? stored : {}) as Record<string, unknown>
    const flag = (name: 'echoCancelling' | 'noiseSuppression' | 'automaticGain'): boolean =>
        typeof given[name] === 'boolean' ? given[name] : DEFAULTS[name]
    return {
        microphone: device(given.microphone),
        speaker: device(given.speaker),
        camera: device(given.camera),
        gain: within(given.gain, GAIN_DB) ?? DEFAULTS.gain,
        gate: within(given.gate, GATE_DB),
        echoCancelling: flag('echoCancelling'),
        noiseSuppression: flag('noiseSuppression'),
        automaticGain: flag('automaticGain'),
        talk: given.talk === 'push' ? 'push' : 'voice',
        key: typeof given.key === 'string' && /^[A-Za-z0-9]{1,32}$/.test(given.key) ? given.key : DEFAULTS.key,
        releaseMs: within(given.releaseMs, RELEASE_MS) ?? DEFAULTS.releaseMs,
    }
}

/** The device of a list that was chosen: by id, then by name. */
export function found<T extends { deviceId: string; label: string }>(
    choice: DeviceChoice | null,
    devices: readonly T[],
): T | null {
    if (choice === null) return null
    return (
        devices.find((one) => one.deviceId === choice.id) ??
        devices.find((one) => one.label !== '' && one.label === choice.label) ??
        null
    )
}

function device(value: unknown): DeviceChoice | null {
    if (typeof value !== 'object' || value === null) return null
    const { id, label } = value as Record<string, unknown>
    return typeof id === 'string' && id !== '' && typeof label === 'string' ? { id, label } : null
}

function within(value: unknown, { min, max }: { min: number; max: number }): number | null {
    return typeof value === 'number' && Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : null
}

class Stored {
    now = $state.raw<Choices>(read())

    change(part: Partial<Choices>): void {
        this.now = choicesOf({ ...this.now, ...part })
        try {
            window.localStorage.setItem(KEY, JSON.stringify(this.now))
        } catch {
            // It holds until the page is closed.
        }
    }
}

function read(): Choices {
    try {
        return choicesOf(JSON.parse(window.localStorage.getItem(KEY) ?? 'null'))
    } catch {
        return choicesOf(null)
    }
}

export const choices = new Stored()
