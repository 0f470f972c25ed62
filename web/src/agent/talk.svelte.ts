/**
 * One conversation with an agent, by voice or by typing: the talk page's modules, with its state as signals.
 * See docs/protocols/rtvi.md for the messages.
 */
import captureAddress from '@talk-page/capture-worklet.js?worker&url'
import { callFrom, Connection, explainRefusal } from '@talk-page/connection.js'
import playbackAddress from '@talk-page/playback-worklet.js?worker&url'
import { isWorthReconnecting, whyEnded, whyRefused } from '@talk-page/reasons.js'
import { MicrophoneError, Sound } from '@talk-page/sound.js'
import type { Transcript } from '@talk-page/transcript.js'
import { isWebRtcWorthTrying, RtcConnection } from '@talk-page/webrtc.js'

import { talk as words } from '../words/en/talk'

/** RMS; below it the microphone is silent even in a quiet room. */
const LOUD = 0.012
/** The caller's last sound before the server noticed the end of speech. */
const RECENT_MS = 3_000
const RECONNECT_AFTER_MS = [500, 1_000, 2_000, 4_000, 8_000]
/** How often the place in a full server is asked for again. */
const MOST_TRIES = 5

export type CallState =
    'idle' | 'connecting' | 'listening' | 'user-speaking' | 'thinking' | 'bot-speaking' | 'reconnecting' | 'lost'

interface Ended {
    wasReady: boolean
    code: number
    reason: string
}

/** What of the messages is read here; the transcript reads the rest. */
interface Told {
    text?: string
    final?: boolean
    type?: string
    error?: string
    message?: string
    fatal?: boolean
}

export class Talk {
    state = $state<CallState>('idle')
    /** How the call is carried, once it stands: WebRTC or WebSocket. */
    route = $state('')
    notice = $state('')
    /** Seconds until a full server is asked again; null where it is not waited for. */
    waits = $state<number | null>(null)
    muted = $state(false)
    hasMicrophone = $state(false)
    audible = $state(false)
    /** Of the latest answer, in seconds at the caller's ear. */
    latency = $state<number | null>(null)
    levels = $state({ user: 0, bot: 0 })
    pressed = $state('')
    ready = $state(false)
    /** Whether the microphone rests while the agent speaks. */
    quiet = $state(false)

    readonly calling = $derived(this.state !== 'idle' && this.state !== 'lost')

    readonly #sound: Sound
    #connection: Connection | RtcConnection | null = null
    #carrier = ''
    #waitingSince: number | null = null
    #answerBefore: unknown = null
    #lastLoudAt = 0
    #noise = LOUD / 3
    #userSpeaks = false
    #botSpeaks = false
    #unsent: string[] = []
    #attempt = 0
    #tries = 0
    #timer: number | undefined
    #withMicrophone = true
    #fatal = ''

    /**
     * @param server the agent server's address, with a slash at its end
     * @param agent the agent's name
     * @param webrtc whether the server takes calls over WebRTC
     * @param transcript where both texts are written
     */
    constructor(
        server: string,
        agent: string,
        private readonly webrtc: boolean,
        readonly transcript: Transcript,
    ) {
        callFrom(server, agent)
        this.#sound = new Sound(
            {
                spoken: (pcm: ArrayBuffer, rate: number, level: number) => this.#spoken(pcm, rate, level),
                played: (kind: 'started' | 'stopped') => this.#played(kind),
                level: (level: number) => (this.levels.bot = level),
            },
            { worklets: [playbackAddress, captureAddress] } as object,
        )
    }

    /** Begins a call. Call it from a click: browsers keep pages silent until then. */
    async start(withMicrophone: boolean): Promise<void> {
        if (this.#connection !== null || this.calling) return
        this.#stopWaiting()
        this.notice = ''
        this.transcript.clear()
        this.#waitingSince = null
        this.#userSpeaks = this.muted = false
        this.pressed = ''
        this.latency = null
        this.#withMicrophone = withMicrophone
        this.state = 'connecting'
        await this.#openSound()
        if (withMicrophone) await this.openMicrophone()
        if (this.state === 'connecting') this.#connect()
    }

    /** Calls again as before. */
    again(): Promise<void> {
        return this.start(this.#withMicrophone)
    }

    hangUp(): void {
        window.clearTimeout(this.#timer)
        this.#stopWaiting()
        if (this.#connection === null) this.#finish('idle')
        else this.#connection.hangUp()
    }

    async openMicrophone(): Promise<void> {
        try {
            await this.#sound.openMicrophone()
        } catch (error) {
            if (!(error instanceof MicrophoneError)) throw error
            this.notice = words.microphone[error.kind] ?? ''
        }
        this.hasMicrophone = this.#sound.hasMicrophone
        this.#silence()
        this.#connection?.useMicrophone(this.#sound.track)
    }

    toggleMute(): void {
        this.muted = !this.muted
        this.#silence()
    }

    rest(quiet: boolean): void {
        this.quiet = quiet
        this.#silence()
    }

    /** Sends a text, in a call that it begins where there is none. */
    say(text: string): void {
        if (this.#connection === null && !this.calling) void this.start(false)
        this.transcript.typed(text)
        if (this.#connection?.isReady) this.#sendText(text)
        else this.#unsent.push(text)
    }

    press(key: string): void {
        if (!this.#connection?.isReady) return
        this.#connection.send('dtmf', { buttons: [key] })
        this.pressed += key
        this.transcript.pressed(key)
    }

    /** Ends the call and gives the devices back. */
    close(): void {
        this.hangUp()
        this.#sound.rest()
    }

    async #openSound(): Promise<void> {
        try {
            await this.#sound.open()
            this.audible = this.#sound.isAudible
            if (!this.audible) this.notice = words.microphone.insecure ?? ''
        } catch {
            this.notice = words.noSound
        }
    }

    /** Over WebRTC where the server and the network have it, else over the WebSocket. */
    #connect(): void {
        this.transcript.begin()
        if (!this.webrtc || !isWebRtcWorthTrying()) return this.#connectSocket()
        this.#carrier = 'WebRTC'
        const listener = {
            message: (type: string, data: Told) => this.#received(type, data),
            stream: (stream: MediaStream) => this.#sound.playStream(stream),
            closed: (ended: Ended) => this.#closed(ended),
            unavailable: () => this.#connectSocket(),
        }
        this.#connection = new RtcConnection(listener, this.#sound.track)
    }

    #connectSocket(): void {
        this.#carrier = 'WebSocket'
        this.#connection = new Connection({
            message: (type: string, data: Told) => this.#received(type, data),
            audio: (pcm: ArrayBuffer, rate: number) => this.#sound.play(pcm, rate),
            closed: (ended: Ended) => this.#closed(ended),
        })
    }

    #closed({ wasReady, code, reason }: Ended): void {
        this.#connection = null
        this.ready = false
        if (this.#fatal !== '') this.#finish('lost', this.#fatal)
        else if (code === 1000) {
            this.#finish('idle')
            const why = whyEnded(code, reason)
            if (why) this.transcript.note(why)
        } else if ((wasReady || this.#attempt > 0) && isWorthReconnecting(code)) this.#reconnect(code, reason)
        else if (wasReady) this.#finish('lost', whyEnded(code, reason))
        else void this.#refused(code, reason)
    }

    /** The connection was lost: everything stays as it is, and another one is tried a few times. */
    #reconnect(code: number, reason: string): void {
        if (this.#attempt === 0) {
            this.transcript.end()
            this.transcript.note(whyEnded(code, reason).replace(' Please call again.', ''))
            this.#sound.clear()
            this.#userSpeaks = false
        }
        const wait = RECONNECT_AFTER_MS[this.#attempt]
        if (wait === undefined) return this.#finish('lost', words.noServer)
        this.#attempt += 1
        this.state = 'reconnecting'
        this.#timer = window.setTimeout(() => this.#connect(), wait)
    }

    async #refused(code: number, reason: string): Promise<void> {
        const unsent = [...this.#unsent]
        const said = whyRefused(code, reason)
        const { status, text, retryAfterS } = await explainRefusal()
        if (this.state !== 'connecting') return
        const isBusy = code === 1013 || status === 503 || status === 429
        if (!isBusy || this.#tries >= MOST_TRIES) return this.#finish('lost', said || text)
        this.#finish('lost')
        this.#tries += 1
        this.#wait(Math.max(1, Math.min(60, Math.ceil(retryAfterS || 5))), unsent)
    }

    /** Counts down, then calls again with what was typed. */
    #wait(seconds: number, unsent: readonly string[]): void {
        this.waits = seconds
        this.#timer = window.setTimeout(() => {
            if (seconds > 1) return this.#wait(seconds - 1, unsent)
            this.waits = null
            const started = this.again()
            for (const text of unsent) {
                this.transcript.typed(text)
                this.#unsent.push(text)
            }
            void started
        }, 1_000)
    }

    #stopWaiting(): void {
        if (this.waits === null) return
        window.clearTimeout(this.#timer)
        this.waits = null
        this.#tries = 0
    }

    #finish(next: 'idle' | 'lost', explanation = ''): void {
        this.#connection = null
        this.#fatal = ''
        this.#attempt = 0
        this.#unsent = []
        this.#sound.rest()
        this.#botSpeaks = this.ready = this.hasMicrophone = false
        this.levels = { user: 0, bot: 0 }
        this.route = ''
        this.transcript.end()
        this.state = next
        this.notice = explanation
    }

    #received(type: string, data: Told): void {
        switch (type) {
            case 'bot-ready':
                return this.#becomeReady()
            case 'user-started-speaking':
                this.#userSpeaks = true
                this.#waitingSince = null
                this.state = 'user-speaking'
                return
            case 'user-stopped-speaking':
                return this.#userStopped()
            case 'user-transcription':
                if (!data.final) this.transcript.hear(data.text ?? '')
                else if (data.text?.trim()) this.transcript.heard(data.text)
                return
            case 'bot-llm-started':
                this.state = 'thinking'
                return
            case 'bot-llm-stopped':
                if (this.state === 'thinking' && !this.transcript.isAwaitingSpeech) this.state = 'listening'
                return
            case 'bot-output':
                this.transcript.say(data as never)
                return
            case 'bot-started-speaking':
                this.state = 'bot-speaking'
                return
            case 'bot-stopped-speaking':
                // Servers without bot-interrupted stop like this when the caller cuts in.
                if (this.#userSpeaks) this.#sound.clear()
                else this.#sound.finish()
                if (this.state === 'bot-speaking') this.state = 'listening'
                return
            case 'bot-interrupted':
                this.#sound.clear()
                if (this.state === 'bot-speaking' || this.state === 'thinking')
                    this.state = this.#userSpeaks ? 'user-speaking' : 'listening'
                return
            case 'server-message':
                if (data.type === 'not-understood') this.transcript.notUnderstood()
                return
            case 'error': {
                const text = words.problem(data.error ?? data.message ?? '')
                if (data.fatal) this.#fatal = text
                this.notice = text
            }
        }
    }

    #becomeReady(): void {
        if (this.#attempt > 0) this.transcript.note(words.again)
        this.#attempt = this.#tries = 0
        this.ready = true
        this.route = this.#carrier
        this.state = 'listening'
        for (const text of this.#unsent.splice(0)) this.#sendText(text)
    }

    #userStopped(): void {
        this.#userSpeaks = false
        const now = performance.now()
        this.#await(now - this.#lastLoudAt < RECENT_MS ? this.#lastLoudAt : now)
        if (this.state === 'user-speaking') this.state = 'listening'
    }

    #sendText(text: string): void {
        this.#connection?.send('send-text', { content: text, options: { run_immediately: true, audio_response: true } })
        this.#sound.clear()
        this.#await(performance.now())
    }

    #await(since: number): void {
        this.#waitingSince = since
        this.#answerBefore = this.transcript.latestAnswer
    }

    #played(kind: 'started' | 'stopped'): void {
        this.#botSpeaks = kind === 'started'
        this.#silence()
        if (kind === 'stopped') this.levels.bot = 0
        // Where the answer of before merely goes on after a cough, nothing was answered.
        const isAnswer = this.#waitingSince !== null && this.transcript.latestAnswer !== this.#answerBefore
        if (kind === 'stopped' || !isAnswer) return
        this.latency = (performance.now() - (this.#waitingSince ?? 0)) / 1_000 + this.#sound.outputLatency
        this.#waitingSince = null
        this.transcript.time(this.latency)
    }

    #spoken(pcm: ArrayBuffer, rate: number, level: number): void {
        this.#connection?.sendAudio(pcm, rate)
        this.#noise = Math.min(level, this.#noise * 1.005 + 1e-6)
        if (level > Math.max(LOUD, this.#noise * 3)) this.#lastLoudAt = performance.now()
        this.levels.user = this.muted ? 0 : level
    }

    #silence(): void {
        this.#sound.mute(this.muted || (this.quiet && this.#botSpeaks))
    }
}
