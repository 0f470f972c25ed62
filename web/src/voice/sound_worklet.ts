/** The microphone's sound on its way out: gain, gate, and a level for the meter 25 times a second. Runs in the audio thread. */
import { decibels, Gate, type GateSettings } from './gate'

/** What the thread has, which the library of types for pages does not name. */
declare const sampleRate: number
declare const currentTime: number
declare function registerProcessor(name: string, processor: new () => object): void
declare class AudioWorkletProcessor {
    readonly port: MessagePort
}

const REPORT_S = 0.04

class Sound extends AudioWorkletProcessor {
    private readonly gate = new Gate(sampleRate)
    private loudest = 0
    private reported = 0

    constructor() {
        super()
        this.port.onmessage = (event: MessageEvent<GateSettings>) => (this.gate.settings = event.data)
    }

    process([input]: Float32Array[][], [output]: Float32Array[][]): boolean {
        const sound = input?.[0]
        const out = output?.[0]
        if (out === undefined) return true
        const level = sound === undefined ? 0 : this.gate.pass(sound, out, currentTime)
        this.loudest = Math.max(this.loudest, level)
        if (currentTime - this.reported >= REPORT_S) {
            this.port.postMessage({ level: decibels(this.loudest), open: this.gate.isOpen })
            this.loudest = 0
            this.reported = currentTime
        }
        return true
    }
}

registerProcessor('vox-sound', Sound)
