/** One user's place in one voice room: joins over the chat server, hears and speaks through the media server. Loaded with the first join. */
import {
    ConnectionQuality,
    DisconnectReason,
    Room,
    RoomEvent,
    Track,
    type Participant,
    type RemoteParticipant,
    type RemoteTrack,
} from 'livekit-client'

import { ApiError } from '../api/http'
import type { Id } from '../core/ids'
import { holds } from '../core/permissions'
import type { SyncClient } from '../sync/contract'
import { voice as words } from '../words/en/voice'
import { sentenceOf } from '../words/errors'
import { Volumes } from './volumes'

/** Waits before a room is tried again, in ms; the last one repeats until `GIVE_UP_MS`. */
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000]
const GIVE_UP_MS = 180_000
/** How long a token for another room may come after the media has ended. */
const MOVE_MS = 2_000

interface Entry {
    media_url: string
    media_token: string
}

/** Where the user is and what they hear; every property is a signal. */
export class Voice {
    room = $state<Id | null>(null)
    state = $state<'away' | 'joining' | 'here' | 'back'>('away')
    muted = $state(false)
    deafened = $state(false)
    /** The browser plays no sound before a click. */
    silenced = $state(false)
    /** A sentence on what does not work; empty where all does. */
    problem = $state('')
    /** Identities in the media. */
    speaking = $state.raw<ReadonlySet<string>>(new Set())
    weak = $state.raw<ReadonlySet<string>>(new Set())
    readonly volumes = new Volumes()
    private media: Room | null = null
    private attempt = 0
    private moved: { room: Id; entry: Entry } | null = null
    private readonly stops: (() => void)[]

    constructor(private readonly client: SyncClient) {
        this.stops = [client.on('media_token_refresh', (d) => this.refreshed(d))]
    }

    /** Joins a room, and leaves the one before. */
    async join(room: Id): Promise<void> {
        if (this.room === room && this.state !== 'away') return
        if (this.room !== null && this.state !== 'away') await this.leave()
        this.room = room
        this.state = 'joining'
        this.problem = ''
        const attempt = ++this.attempt
        try {
            await this.connect(await this.enter(room), attempt)
        } catch (error) {
            if (attempt === this.attempt) this.end(error instanceof ApiError ? sentenceOf(error) : words.media)
            if (!(error instanceof ApiError)) void this.tellLeft(room)
        }
    }

    async leave(): Promise<void> {
        const { room } = this
        this.end('')
        if (room !== null) await this.tellLeft(room)
    }

    async setMuted(muted: boolean): Promise<void> {
        this.muted = muted
        if (!muted && this.deafened) this.setDeafened(false)
        await this.openMicrophone()
    }

    /** Who is deafened is muted too, as people expect of a headset put down. */
    setDeafened(deafened: boolean): void {
        this.deafened = deafened
        for (const one of this.media?.remoteParticipants.values() ?? []) this.applyVolume(one)
        this.client.say('voice_state_update', { self_deaf: deafened })
        if (deafened && !this.muted) void this.setMuted(true)
    }

    setVolume(identity: string, volume: number): void {
        this.volumes.set(identity, volume)
        const one = this.media?.remoteParticipants.get(identity)
        if (one !== undefined) this.applyVolume(one)
    }

    /** To be called by a click, where `silenced`. */
    async playSound(): Promise<void> {
        await this.media?.startAudio()
    }

    close(): void {
        void this.leave()
        for (const stop of this.stops) stop()
    }

    /** Asks the chat server in; from another room or device the user is taken along. */
    private async enter(room: Id): Promise<Entry> {
        const join = (): Promise<Entry> =>
            this.client.request<Entry>(`rooms/${room}/voice/join`, {
                method: 'POST',
                body: { self_mute: this.muted, self_deaf: this.deafened },
            })
        try {
            return await join()
        } catch (error) {
            if (!(error instanceof ApiError) || error.code !== 'ALREADY_IN_VOICE') throw error
            await this.client.request(`rooms/${room}/voice/leave`, { method: 'POST' })
            return join()
        }
    }

    private async connect(entry: Entry, attempt: number): Promise<void> {
        if (attempt !== this.attempt) return
        const media = new Room({ dynacast: true, disconnectOnPageLeave: true })
        this.listen(media, attempt)
        try {
            await media.connect(entry.media_url, entry.media_token)
        } catch (error) {
            media.removeAllListeners()
            throw error
        }
        if (attempt !== this.attempt) return void media.disconnect()
        this.media = media
        this.state = 'here'
        this.silenced = !media.canPlaybackAudio
        await this.openMicrophone()
    }

    private listen(media: Room, attempt: number): void {
        const current = (): boolean => attempt === this.attempt
        media
            .on(RoomEvent.TrackSubscribed, (track, _publication, one) => this.play(track, one))
            .on(RoomEvent.TrackUnsubscribed, (track) => track.detach().forEach((element) => element.remove()))
            .on(RoomEvent.ActiveSpeakersChanged, (speakers) => {
                this.speaking = new Set(speakers.map((one) => one.identity))
            })
            .on(RoomEvent.ConnectionQualityChanged, (quality, one) => this.quality(quality, one))
            .on(RoomEvent.ParticipantDisconnected, (one) => this.quality(ConnectionQuality.Good, one))
            .on(RoomEvent.AudioPlaybackStatusChanged, () => (this.silenced = !media.canPlaybackAudio))
            .on(RoomEvent.Reconnecting, () => current() && (this.state = 'back'))
            .on(RoomEvent.SignalReconnecting, () => current() && (this.state = 'back'))
            .on(RoomEvent.Reconnected, () => current() && (this.state = 'here'))
            .on(RoomEvent.Disconnected, (reason) => {
                if (current() && this.media === media) void this.lost(reason)
            })
    }

    private play(track: RemoteTrack, one: RemoteParticipant): void {
        if (track.kind !== Track.Kind.Audio) return
        const element = track.attach()
        element.hidden = true
        document.body.append(element)
        this.applyVolume(one)
    }

    private applyVolume(one: RemoteParticipant): void {
        const volume = this.deafened ? 0 : this.volumes.get(one.identity)
        one.setVolume(volume)
        one.setVolume(volume, Track.Source.ScreenShareAudio)
    }

    private quality(quality: ConnectionQuality, one: Participant): void {
        const isWeak = quality === ConnectionQuality.Poor || quality === ConnectionQuality.Lost
        if (isWeak === this.weak.has(one.identity)) return
        const weak = new Set(this.weak)
        if (isWeak) weak.add(one.identity)
        else weak.delete(one.identity)
        this.weak = weak
    }

    private async openMicrophone(): Promise<void> {
        const { media } = this
        if (media === null || this.room === null) return
        this.problem = ''
        if (!this.muted && !holds(this.client.permissionsIn(this.room, 'room'), 'SPEAK')) {
            this.muted = true
            this.problem = words.microphone.noRight
            return
        }
        try {
            await media.localParticipant.setMicrophoneEnabled(!this.muted)
        } catch (error) {
            this.muted = true
            this.problem = sentenceOfMicrophone(error)
        }
    }

    /** The media has ended without the user's doing. */
    private async lost(reason: DisconnectReason | undefined): Promise<void> {
        const { room } = this
        this.media = null
        this.speaking = new Set()
        if (room === null) return
        if (reason === DisconnectReason.DUPLICATE_IDENTITY) return this.end(words.elsewhere)
        this.state = 'back'
        if (reason === DisconnectReason.PARTICIPANT_REMOVED || reason === DisconnectReason.ROOM_DELETED) {
            await pause(MOVE_MS)
            if (this.moved === null)
                return this.end(reason === DisconnectReason.ROOM_DELETED ? words.closed : words.removed)
        }
        await this.rejoin(room)
    }

    private async rejoin(room: Id): Promise<void> {
        const attempt = ++this.attempt
        const began = Date.now()
        for (let tries = 0; Date.now() - began < GIVE_UP_MS; tries += 1) {
            try {
                const { moved } = this
                this.moved = null
                if (moved !== null) this.room = moved.room
                await this.connect(moved?.entry ?? (await this.enter(room)), attempt)
                return
            } catch (error) {
                if (attempt !== this.attempt) return
                if (error instanceof ApiError && !error.isTemporary) return this.end(sentenceOf(error))
            }
            await pause(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]!)
            if (attempt !== this.attempt) return
        }
        this.end(words.gaveUp)
    }

    /** A new token: for the same room it is kept for the next connection, for another place one goes there. */
    private refreshed(d: Record<string, unknown>): void {
        if (this.state === 'away' || (d.reason !== 'moved' && d.reason !== 'relay')) return
        const entry = { media_url: String(d.media_url), media_token: String(d.media_token) }
        this.moved = { room: String(d.room_id), entry }
        const { media, room } = this
        if (media === null || room === null) return
        this.media = null
        media.removeAllListeners()
        void media.disconnect()
        this.state = 'back'
        void this.rejoin(room)
    }

    private end(problem: string): void {
        this.attempt += 1
        const { media } = this
        this.media = null
        this.moved = null
        this.room = null
        this.state = 'away'
        this.silenced = false
        this.speaking = new Set()
        this.weak = new Set()
        this.problem = problem
        media?.removeAllListeners()
        for (const one of media?.remoteParticipants.values() ?? [])
            for (const publication of one.trackPublications.values())
                publication.track?.detach().forEach((element) => element.remove())
        void media?.disconnect()
    }

    private async tellLeft(room: Id): Promise<void> {
        // Where the server is away, it notices by the media that the user is gone.
        await this.client.request(`rooms/${room}/voice/leave`, { method: 'POST' }).catch(() => undefined)
    }
}

function sentenceOfMicrophone(error: unknown): string {
    if (!window.isSecureContext) return words.microphone.insecure
    switch (error instanceof Error ? error.name : '') {
        case 'NotAllowedError':
            return words.microphone.refused
        case 'NotFoundError':
        case 'OverconstrainedError':
            return words.microphone.absent
        case 'NotReadableError':
        case 'AbortError':
            return words.microphone.busy
        default:
            return words.microphone.failed
    }
}

function pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms))
}
