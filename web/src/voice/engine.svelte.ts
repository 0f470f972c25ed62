/** One user's place in one voice room: joins over the chat server, hears and speaks through the media server. Loaded with the first join. */
import {
    ConnectionQuality,
    DisconnectReason,
    Room,
    RoomEvent,
    Track,
    VideoPresets,
    type AudioCaptureOptions,
    type LocalTrackPublication,
    type Participant,
    type RemoteParticipant,
    type RemoteTrack,
    type ScreenShareCaptureOptions,
} from 'livekit-client'

import { ApiError } from '../api/http'
import type { Id } from '../core/ids'
import type { SyncClient } from '../sync/contract'
import { voice as words } from '../words/en/voice'
import { sentenceOf } from '../words/errors'
import { Captions } from './captions.svelte'
import { choices, found } from './choices.svelte'
import { devices } from './devices.svelte'
import { microphone } from './microphone.svelte'
import { PushToTalk } from './push_to_talk'
import { troubleOf } from './trouble'
import { Volumes } from './volumes'

/** Waits before a room is tried again, in ms; the last one repeats until `GIVE_UP_MS`. */
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000]
const GIVE_UP_MS = 180_000
/** How long the library tries by itself before the room is made anew with a fresh token. */
const LIBRARY_MS = 10_000
/** From when on one's own microphone counts as speaking, in dB. */
const SPEAKING_DB = -45
/** How long a token for another room may come after the media has ended. */
const MOVE_MS = 2_000

interface Entry {
    media_url: string
    media_token: string
}

/** A camera or screen that is shown in the room. */
export interface Picture {
    id: string
    identity: string
    source: 'camera' | 'screen'
    isOwn: boolean
    /** Puts it into an element; returns how to take it out. */
    show(element: HTMLVideoElement): () => void
}

/** Numbers of the protocol's sources, as a participant's permissions name them. */
const SOURCES = { camera: 1, microphone: 2, screen: 3 }

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
    /** What the media server lets the user send. */
    may = $state.raw({ speak: false, camera: false, screen: false })
    pictures = $state.raw<readonly Picture[]>([])
    /** What agents and callers say of themselves, by identity. */
    attributes = $state.raw<ReadonlyMap<string, Readonly<Record<string, string>>>>(new Map())
    /** Since when it connects, in ms; null while it does not. */
    connectingSince = $state<number | null>(null)
    readonly captions = new Captions()
    readonly volumes = new Volumes()
    private sent: LocalTrackPublication | null = null
    private usesMicrophone = false
    /** Muted because the microphone did not start, and not by the user. */
    private isForced = false
    private publishing: Promise<void> = Promise.resolve()
    private readonly pushToTalk: PushToTalk
    private media: Room | null = null
    private attempt = 0
    private moved: { room: Id; entry: Entry } | null = null
    private readonly stops: (() => void)[]

    constructor(private readonly client: SyncClient) {
        this.stops = [
            client.on('media_token_refresh', (d) => this.refreshed(d)),
            devices.onChange(() => void this.chooseSpeaker()),
        ]
        this.pushToTalk = new PushToTalk(window, {
            key: () => choices.now.key,
            releaseMs: () => choices.now.releaseMs,
            changed: (held) => microphone.hold(held),
        })
    }

    /** Whether somebody speaks; of the user themselves the page knows it first. */
    speaks(identity: string): boolean {
        if (identity !== this.media?.localParticipant.identity) return this.speaking.has(identity)
        return !this.muted && this.may.speak && microphone.isOpen && microphone.level > SPEAKING_DB
    }

    /** For a button that is held to talk. */
    holdToTalk(held: boolean): void {
        this.pushToTalk.set(held, held ? 0 : choices.now.releaseMs)
    }

    async showCamera(on: boolean): Promise<void> {
        const camera = found(choices.now.camera, devices.of('videoinput'))
        const device = camera === null ? {} : { deviceId: camera.deviceId }
        const options = { resolution: VideoPresets.h720.resolution, ...device }
        try {
            await this.media?.localParticipant.setCameraEnabled(on, options)
            this.problem = ''
        } catch (error) {
            this.problem = words.camera[troubleOf(error, window.isSecureContext)]
        }
        this.look()
    }

    /** Shows a screen with its sound; the browser asks which. */
    async showScreen(on: boolean): Promise<void> {
        const options: ScreenShareCaptureOptions = {
            audio: { restrictOwnAudio: true } as AudioCaptureOptions,
            resolution: { width: 1920, height: 1080, frameRate: 30 },
            systemAudio: 'include',
            selfBrowserSurface: 'exclude',
        }
        try {
            await this.media?.localParticipant.setScreenShareEnabled(on, options)
            this.problem = ''
        } catch (error) {
            // Closing the browser's own question is no failure.
            if (!(error instanceof Error && error.name === 'NotAllowedError')) this.problem = words.screenFailed
        }
        this.look()
    }

    /** Whether the user shows this. */
    shows(source: Picture['source']): boolean {
        return this.pictures.some((one) => one.isOwn && one.source === source)
    }

    /** Joins a room, and leaves the one before. */
    async join(room: Id): Promise<void> {
        if (this.room === room && this.state !== 'away') return
        if (this.room !== null && this.state !== 'away') await this.leave()
        this.room = room
        this.state = 'joining'
        this.connectingSince = Date.now()
        this.problem = ''
        this.captions.clear()
        if (this.isForced) this.muted = this.isForced = false
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
        this.isForced = false
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
        this.pushToTalk.close()
        for (const stop of this.stops) stop()
    }

    /** Asks the chat server in; from another room or device the user is taken along. */
    private async enter(room: Id): Promise<Entry> {
        const body = { self_mute: this.muted, self_deaf: this.deafened }
        const ask = (path: string): Promise<Entry> =>
            this.client.request<Entry>(`rooms/${room}/voice/${path}`, {
                method: 'POST',
                body: path === 'join' ? body : {},
            })
        try {
            return await ask('join')
        } catch (error) {
            if (!(error instanceof ApiError) || error.code !== 'ALREADY_IN_VOICE') throw error
        }
        try {
            return await ask('token-refresh')
        } catch (error) {
            if (!(error instanceof ApiError) || error.code !== 'NOT_IN_VOICE') throw error
        }
        const me = this.client.me?.user_id
        for (const { room_id } of this.client.layout.rooms)
            if (this.client.voice(room_id)?.members.some((one) => one.user_id === me)) await this.tellLeft(room_id)
        return ask('join')
    }

    private async connect(entry: Entry, attempt: number): Promise<void> {
        if (attempt !== this.attempt) return
        const began = this.connectingSince ?? Date.now()
        this.connectingSince = began
        const media = new Room({
            dynacast: true,
            adaptiveStream: true,
            disconnectOnPageLeave: true,
            reconnectPolicy: {
                nextRetryDelayInMs: ({ elapsedMs, retryCount }) =>
                    elapsedMs > LIBRARY_MS ? null : Math.min(300 * 2 ** retryCount, 2_000),
            },
        })
        this.listen(media, attempt)
        this.captions.listen(media)
        try {
            await media.connect(entry.media_url, entry.media_token)
        } catch (error) {
            media.removeAllListeners()
            throw error
        }
        if (attempt !== this.attempt) return void media.disconnect()
        this.media = media
        this.state = 'here'
        this.connectingSince = null
        this.silenced = !media.canPlaybackAudio
        this.look()
        await this.chooseSpeaker()
        await this.openMicrophone()
    }

    private listen(media: Room, attempt: number): void {
        const current = (): boolean => attempt === this.attempt
        media
            .on(RoomEvent.TrackSubscribed, (track, _publication, one) => (this.play(track, one), this.look()))
            .on(RoomEvent.TrackUnsubscribed, (track) => (silence(track), this.look()))
            .on(RoomEvent.TrackMuted, () => this.look())
            .on(RoomEvent.TrackUnmuted, () => this.look())
            .on(RoomEvent.LocalTrackPublished, () => this.look())
            .on(RoomEvent.LocalTrackUnpublished, (publication) => {
                if (publication === this.sent) this.sent = null
                this.look()
            })
            .on(RoomEvent.ParticipantAttributesChanged, () => this.look())
            .on(RoomEvent.ParticipantConnected, () => this.look())
            .on(RoomEvent.ParticipantPermissionsChanged, (_before, one) => {
                if (one !== media.localParticipant || this.media !== media) return
                this.look()
                void this.openMicrophone()
            })
            .on(RoomEvent.ActiveSpeakersChanged, (speakers) => {
                this.speaking = new Set(speakers.map((one) => one.identity))
            })
            .on(RoomEvent.ConnectionQualityChanged, (quality, one) => this.quality(quality, one))
            .on(RoomEvent.ParticipantDisconnected, (one) => (this.quality(ConnectionQuality.Good, one), this.look()))
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

    /** Sends the microphone or keeps it, as the user and the rights want it; one at a time. */
    private openMicrophone(): Promise<void> {
        this.publishing = this.publishing.then(() => this.sendMicrophone())
        return this.publishing
    }

    private async sendMicrophone(): Promise<void> {
        const { media } = this
        if (media === null || this.room === null) return
        this.problem = ''
        if (!this.may.speak) return
        try {
            if (this.muted) return void (await this.sent?.mute())
            if (this.sent !== null) return void (await this.sent.unmute())
            if (!this.usesMicrophone) {
                this.usesMicrophone = true
                await microphone.use().catch((error: unknown) => {
                    this.usesMicrophone = false
                    throw error
                })
            }
            // The library ends the track that it is given, so each publication has its own.
            const track = microphone.sound!.clone()
            this.sent = await media.localParticipant.publishTrack(track, {
                source: Track.Source.Microphone,
                name: 'microphone',
                dtx: true,
            })
            if (this.muted) await this.sent.mute()
        } catch (error) {
            if (media !== this.media) return
            this.muted = true
            this.isForced = true
            this.problem = words.microphone[troubleOf(error, window.isSecureContext)]
        }
    }

    private async chooseSpeaker(): Promise<void> {
        const speaker = found(choices.now.speaker, devices.of('audiooutput'))
        // Where the browser cannot choose, the system does.
        await this.media?.switchActiveDevice('audiooutput', speaker?.deviceId ?? '').catch(() => undefined)
    }

    /** Reads who shows what and may what from the media. */
    private look(): void {
        const { media } = this
        if (media === null) return
        const everyone: Participant[] = [media.localParticipant, ...media.remoteParticipants.values()]
        this.attributes = new Map(everyone.map((one) => [one.identity, { ...one.attributes }]))
        this.pictures = everyone.flatMap((one) =>
            [...one.videoTrackPublications.values()].flatMap((publication): Picture[] => {
                const track = publication.track
                if (track === undefined || publication.isMuted) return []
                return [
                    {
                        id: publication.trackSid,
                        identity: one.identity,
                        source: publication.source === Track.Source.ScreenShare ? 'screen' : 'camera',
                        isOwn: one === media.localParticipant,
                        show: (element) => {
                            track.attach(element)
                            return () => void track.detach(element)
                        },
                    },
                ]
            }),
        )
        const permissions = media.localParticipant.permissions
        const sources: readonly number[] = permissions?.canPublishSources ?? []
        const may = (source: number): boolean =>
            permissions?.canPublish === true && (sources.length === 0 || sources.includes(source))
        this.may = { speak: may(SOURCES.microphone), camera: may(SOURCES.camera), screen: may(SOURCES.screen) }
    }

    /** The media has ended without the user's doing. */
    private async lost(reason: DisconnectReason | undefined): Promise<void> {
        const { room } = this
        this.media = null
        this.sent = null
        this.pictures = []
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
        this.sent = null
        quit(media)
        this.state = 'back'
        void this.rejoin(room)
    }

    private end(problem: string): void {
        this.attempt += 1
        const { media } = this
        this.media = null
        this.sent = null
        if (this.usesMicrophone) microphone.release()
        this.usesMicrophone = false
        this.connectingSince = null
        this.pictures = []
        this.attributes = new Map()
        this.may = { speak: false, camera: false, screen: false }
        this.moved = null
        this.room = null
        this.state = 'away'
        this.silenced = false
        this.speaking = new Set()
        this.weak = new Set()
        this.problem = problem
        if (media !== null) quit(media)
    }

    private async tellLeft(room: Id): Promise<void> {
        // Where the server is away, it notices by the media that the user is gone.
        await this.client.request(`rooms/${room}/voice/leave`, { method: 'POST' }).catch(() => undefined)
    }
}

function silence(track: { detach(): HTMLMediaElement[] }): void {
    for (const element of track.detach()) if (element instanceof HTMLAudioElement) element.remove()
}

/** Ends a connection whose end is no news. */
function quit(media: Room): void {
    media.removeAllListeners()
    for (const one of media.remoteParticipants.values())
        for (const publication of one.trackPublications.values())
            if (publication.track !== undefined) silence(publication.track)
    void media.disconnect()
}

function pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms))
}
