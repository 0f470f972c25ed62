/**
 * The one microphone of this page. Its sound goes through gain and gate into a track that stays the same while devices come and go,
 * so that what is sent needs no new connection when one is unplugged.
 */
import { choices, found } from './choices.svelte'
import { devices } from './devices.svelte'
import { factorOf, SILENCE_DB } from './gate'
import soundAddress from './sound_worklet.ts?worker&url'
import { troubleOf, type Trouble } from './trouble'

interface Graph {
    context: AudioContext
    node: AudioWorkletNode
    out: MediaStreamAudioDestinationNode
}

class Microphone {
    /** In dB of full scale, after the gain and before the gate. */
    level = $state(SILENCE_DB)
    /** Whether the gate passes it. */
    isOpen = $state(false)
    /** What the track in use reports; empty where none is. */
    label = $state('')
    deviceId = $state('')
    /** What the browser does with the sound, as the track reports it; null where it does not say. */
    reported = $state.raw<Pick<MediaTrackSettings, 'echoCancellation' | 'noiseSuppression' | 'autoGainControl'>>({})
    trouble = $state<Trouble | null>(null)
    /** The device that was chosen is not there, so another one is used. */
    isSubstitute = $state(false)
    private held = false
    private users = 0
    private graph: Graph | null = null
    private source: { track: MediaStreamTrack; node: MediaStreamAudioSourceNode } | null = null
    private opening: Promise<void> = Promise.resolve()
    private stopWatching: (() => void) | null = null

    /** The track to send, while it is used. */
    get sound(): MediaStreamTrack | null {
        return this.graph?.out.stream.getAudioTracks()[0] ?? null
    }

    /** Starts it for one more user. Throws what the browser throws. */
    async use(): Promise<void> {
        this.users += 1
        try {
            this.stopWatching ??= devices.onChange(() => void this.follow())
            await this.reopen(this.source === null)
            if (this.source === null) throw new DOMException('', 'AbortError')
        } catch (error) {
            this.release()
            throw error
        }
    }

    /** One user less; without any, the browser's sign that the page listens goes out. */
    release(): void {
        this.users = Math.max(0, this.users - 1)
        if (this.users > 0) return
        this.stopWatching?.()
        this.stopWatching = null
        this.drop()
        void this.graph?.context.close()
        this.graph = null
        this.level = SILENCE_DB
        this.isOpen = false
    }

    /** Whether the key of push to talk is held. */
    hold(held: boolean): void {
        this.held = held
        this.adjust()
    }

    /** Takes gain, gate and way of talking from the choices, at once. */
    adjust(): void {
        const { gain, gate, talk } = choices.now
        this.graph?.node.port.postMessage({
            gain: factorOf(gain),
            threshold: gate,
            held: talk === 'push' ? this.held : null,
        })
    }

    /** Takes the chosen device and switches, after a change of the choices. */
    async choose(): Promise<void> {
        if (this.users === 0) return
        await this.reopen(true).catch(() => undefined)
    }

    /** Devices came or went: back to the chosen one, or away from one that is gone. */
    private async follow(): Promise<void> {
        if (this.users === 0) return
        const inputs = devices.of('audioinput')
        const chosen = found(choices.now.microphone, inputs)
        const isGone = this.source === null || this.source.track.readyState === 'ended'
        if (isGone || (chosen !== null && chosen.deviceId !== this.deviceId))
            await this.reopen(true).catch(() => undefined)
    }

    private reopen(isNeeded: boolean): Promise<void> {
        const next = this.opening
            .catch(() => undefined)
            .then(async () => {
                if (isNeeded && this.users > 0) await this.open()
            })
        this.opening = next
        return next
    }

    private async open(): Promise<void> {
        try {
            const stream = await this.ask()
            const track = stream.getAudioTracks()[0]!
            const graph = await this.build()
            if (this.users === 0) return track.stop()
            this.drop()
            const node = graph.context.createMediaStreamSource(stream)
            node.connect(graph.node)
            this.source = { track, node }
            track.addEventListener('ended', () => void this.lost(track))
            const settings = track.getSettings()
            this.label = track.label
            this.deviceId = settings.deviceId ?? ''
            this.reported = settings
            this.trouble = null
            await devices.read()
            const { microphone } = choices.now
            this.isSubstitute =
                microphone !== null && found(microphone, [{ deviceId: this.deviceId, label: this.label }]) === null
        } catch (error) {
            this.drop()
            this.trouble = troubleOf(error, window.isSecureContext)
            throw error
        }
    }

    /** The chosen device, and where it is not there the system's own. */
    private async ask(): Promise<MediaStream> {
        const { echoCancelling, noiseSuppression, automaticGain, microphone } = choices.now
        const processing = {
            echoCancellation: echoCancelling,
            noiseSuppression,
            autoGainControl: automaticGain,
            channelCount: 1,
        }
        if (microphone !== null) {
            if (devices.all.length === 0) await devices.read()
            const id = found(microphone, devices.of('audioinput'))?.deviceId
            if (id !== undefined)
                try {
                    return await navigator.mediaDevices.getUserMedia({
                        audio: { ...processing, deviceId: { exact: id } },
                    })
                } catch (error) {
                    if (troubleOf(error, window.isSecureContext) !== 'absent') throw error
                }
        }
        return navigator.mediaDevices.getUserMedia({ audio: processing })
    }

    private async build(): Promise<Graph> {
        if (this.graph !== null) return this.graph
        const context = new AudioContext({ latencyHint: 'interactive' })
        await context.audioWorklet.addModule(soundAddress)
        const node = new AudioWorkletNode(context, 'vox-sound', { channelCount: 1, channelCountMode: 'explicit' })
        const out = context.createMediaStreamDestination()
        out.channelCount = 1
        node.connect(out)
        node.port.onmessage = (event: MessageEvent<{ level: number; open: boolean }>) => {
            this.level = event.data.level
            this.isOpen = event.data.open
        }
        void context.resume()
        this.graph = { context, node, out }
        this.adjust()
        return this.graph
    }

    private async lost(track: MediaStreamTrack): Promise<void> {
        if (this.source?.track !== track) return
        await devices.read()
        await this.reopen(true).catch(() => undefined)
    }

    private drop(): void {
        this.source?.node.disconnect()
        this.source?.track.stop()
        this.source = null
        this.label = ''
        this.deviceId = ''
        this.reported = {}
    }
}

export const microphone = new Microphone()
