/** What one tries devices with: a tone for the loudspeaker, three seconds of oneself for the microphone. */
import { microphone } from './microphone.svelte'

const TONE_HZ = 440
const TONE_S = 1
const RECORD_MS = 3_000

/** Plays a tone of one second. Throws where the loudspeaker cannot be used. */
export async function playTone(speaker: string): Promise<void> {
    const context = new AudioContext()
    try {
        const tone = new OscillatorNode(context, { frequency: TONE_HZ })
        const volume = new GainNode(context, { gain: 0 })
        const out = context.createMediaStreamDestination()
        tone.connect(volume).connect(out)
        // Without a ramp the tone would begin and end with a click.
        const begin = context.currentTime
        volume.gain.linearRampToValueAtTime(0.3, begin + 0.05)
        volume.gain.setValueAtTime(0.3, begin + TONE_S - 0.05)
        volume.gain.linearRampToValueAtTime(0, begin + TONE_S)
        tone.start()
        await play(out.stream, speaker, new Promise((done) => setTimeout(done, TONE_S * 1000)))
    } finally {
        await context.close()
    }
}

/** Records what would be sent, and plays it. Throws what the browser throws. */
export async function recordAndPlay(speaker: string, plays: () => void): Promise<void> {
    await microphone.use()
    let recorded: Blob
    try {
        recorded = await record(new MediaStream([microphone.sound!.clone()]))
    } finally {
        microphone.release()
    }
    plays()
    const address = URL.createObjectURL(recorded)
    try {
        await play(address, speaker)
    } finally {
        URL.revokeObjectURL(address)
    }
}

async function record(stream: MediaStream): Promise<Blob> {
    const recorder = new MediaRecorder(stream)
    const parts: Blob[] = []
    recorder.ondataavailable = (event) => parts.push(event.data)
    const stopped = new Promise((done) => (recorder.onstop = done))
    recorder.start()
    setTimeout(() => recorder.state === 'recording' && recorder.stop(), RECORD_MS)
    await stopped
    for (const track of stream.getTracks()) track.stop()
    return new Blob(parts, { type: recorder.mimeType })
}

async function play(sound: MediaStream | string, speaker: string, until?: Promise<unknown>): Promise<void> {
    const element = new Audio()
    if (typeof sound === 'string') element.src = sound
    else element.srcObject = sound
    if (speaker !== '' && 'setSinkId' in element) await element.setSinkId(speaker).catch(() => undefined)
    const ended = new Promise((done, fail) => {
        element.onended = done
        element.onerror = fail
    })
    await element.play()
    await (until ?? ended)
    element.pause()
    element.srcObject = null
}
