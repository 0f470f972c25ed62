/** Finds out why voice does not work: each step on the way from the microphone to the relay, and what stands in the way. */
import { Room, Track } from 'livekit-client'

import { ApiError } from '../api/http'
import type { SyncClient } from '../sync/contract'
import { SILENCE_DB } from './gate'
import { microphone } from './microphone.svelte'
import { isPrivate, offersOf, summary, type Path } from './paths'
import { troubleOf } from './trouble'

export const STEPS = [
    'secure',
    'permission',
    'level',
    'gateway',
    'relay',
    'udp',
    'tcp',
    'trip',
    'loss',
    'clock',
] as const
export type Step = (typeof STEPS)[number]

/** What a step found; `cause` names the sentence, `detail` what it is about: an address, a port, a number. */
export interface Finding {
    step: Step
    state: 'ok' | 'warn' | 'bad' | 'skipped'
    cause: string
    detail: string
}

const CONNECT_MS = 12_000
/** Relays report losses every few seconds. */
const WATCH_MS = 8_000
const TCP_MS = 6_000
const LISTEN_MS = 1_500
const MOST_TRIP_MS = 300
const MOST_LOSS = 0.03
const MOST_SKEW_S = 30
/** Below this a microphone is switched off or turned down, in dB. */
const MUTE_DB = -58

interface Entry {
    media_url: string
    media_token: string
}

/** Runs all steps, and reports each as soon as it is known. */
export async function examine(client: SyncClient, report: (finding: Finding) => void): Promise<void> {
    const say = (step: Step, state: Finding['state'], cause = '', detail = ''): void =>
        report({ step, state, cause, detail })
    say('secure', window.isSecureContext ? 'ok' : 'bad', window.isSecureContext ? '' : 'insecure', location.origin)
    await examineMicrophone(say)
    if (client.connection.state === 'live') say('gateway', 'ok')
    else say('gateway', 'bad', 'offline')
    await examineClock(say)
    await examineRelay(client, say)
}

type Say = (step: Step, state: Finding['state'], cause?: string, detail?: string) => void

async function examineMicrophone(say: Say): Promise<void> {
    try {
        await microphone.use()
    } catch (error) {
        say('permission', 'bad', troubleOf(error, window.isSecureContext))
        return say('level', 'skipped')
    }
    try {
        say('permission', 'ok', '', microphone.label)
        let loudest = SILENCE_DB
        const until = performance.now() + LISTEN_MS
        while (performance.now() < until) {
            await pause(40)
            loudest = Math.max(loudest, microphone.level)
        }
        const db = String(Math.round(loudest))
        if (loudest > MUTE_DB) say('level', 'ok', '', db)
        else say('level', 'warn', 'silent', db)
    } finally {
        microphone.release()
    }
}

async function examineClock(say: Say): Promise<void> {
    try {
        const asked = Date.now()
        const answer = await fetch('client.json', { cache: 'no-store' })
        const middle = (asked + Date.now()) / 2
        const told = Date.parse(answer.headers.get('date') ?? '')
        if (Number.isNaN(told)) return say('clock', 'skipped')
        const skew = Math.round((middle - told) / 1000)
        if (Math.abs(skew) <= MOST_SKEW_S) say('clock', 'ok', '', String(skew))
        else say('clock', 'warn', 'skewed', String(skew))
    } catch {
        say('clock', 'skipped')
    }
}

async function examineRelay(client: SyncClient, say: Say): Promise<void> {
    const skip = (): void => (['udp', 'tcp', 'trip', 'loss'] as const).forEach((step) => say(step, 'skipped'))
    let entry: Entry
    try {
        entry = await client.request<Entry>('voice/check', { method: 'POST' })
    } catch (error) {
        const code = error instanceof ApiError ? error.code : ''
        say('relay', 'bad', code === 'VOICE_NOT_CONFIGURED' ? 'notConfigured' : 'notAsked')
        return skip()
    }
    const where = hostOf(entry.media_url)
    if (location.protocol === 'https:' && entry.media_url.startsWith('ws:')) {
        say('relay', 'bad', 'mixed', entry.media_url)
        return skip()
    }
    // The answer of any kind shows that the address is right and the port is open; which answer does not matter.
    const reached = await fetch(entry.media_url.replace(/^ws/, 'http'), {
        mode: 'no-cors',
        signal: AbortSignal.timeout(5_000),
    })
        .then(() => true)
        .catch(() => false)
    if (!reached) {
        say('relay', 'bad', isPrivate(where) && !isPrivate(location.host) ? 'wrongAddress' : 'unreachable', where)
        return skip()
    }
    const media = new Room()
    const peers = watchPeers()
    try {
        await deadline(connected(media, entry), CONNECT_MS)
        say('relay', 'ok', '', where)
        const paths = await watched(peers.all)
        // Browsers try TCP only where UDP is slower, so it needs a connection of its own.
        const { udp, tcp } = summary(paths)
        if (udp.isOpen && tcp.isOffered && !tcp.isOpen) paths.push(...(await pathsByTcp(entry)))
        tell(paths, say)
    } catch (error) {
        const paths = await pathsOf(peers.all)
        const signalled = paths.length > 0
        say('relay', signalled ? 'ok' : 'bad', signalled ? '' : 'refused', signalled ? where : String(error))
        if (signalled) tell(paths, say)
        else skip()
    } finally {
        peers.stop()
        void media.disconnect()
    }
}

function tell(paths: readonly Path[], say: Say): void {
    const { udp, tcp, tripMs, lossShare } = summary(paths)
    const anyTcp = tcp.isOpen
    if (udp.isOpen) say('udp', 'ok', '', udp.address)
    else if (!udp.isOffered) say('udp', anyTcp ? 'warn' : 'bad', 'notOffered')
    else if (udp.isPrivate && !isPrivate(location.host)) say('udp', anyTcp ? 'warn' : 'bad', 'wrongPublic', udp.address)
    else say('udp', anyTcp ? 'warn' : 'bad', anyTcp ? 'tcpOnly' : 'blocked', udp.address)
    if (anyTcp) say('tcp', 'ok', '', tcp.address)
    else if (!tcp.isOffered) say('tcp', udp.isOpen ? 'ok' : 'bad', 'notOffered')
    else say('tcp', udp.isOpen ? 'warn' : 'bad', 'blocked', tcp.address)
    if (tripMs === null) say('trip', 'skipped')
    else
        say(
            'trip',
            tripMs <= MOST_TRIP_MS ? 'ok' : 'warn',
            tripMs <= MOST_TRIP_MS ? '' : 'slow',
            String(Math.round(tripMs)),
        )
    if (lossShare === null) say('loss', 'skipped')
    else {
        const percent = (lossShare * 100).toFixed(1)
        say('loss', lossShare <= MOST_LOSS ? 'ok' : 'warn', lossShare <= MOST_LOSS ? '' : 'lossy', percent)
    }
}

async function pathsByTcp(entry: Entry): Promise<Path[]> {
    const media = new Room()
    const peers = watchPeers((candidate) => !/ udp /i.test(candidate))
    try {
        await deadline(media.connect(entry.media_url, entry.media_token, { autoSubscribe: false }), TCP_MS)
    } catch {
        // What was found until then says enough.
    } finally {
        peers.stop()
    }
    const found = await pathsOf(peers.all)
    void media.disconnect()
    // Only whether it opens counts here: the round trip is the one of the way that voice takes.
    return found.flatMap((one) => (one.kind === 'pair' && one.protocol === 'tcp' ? [{ ...one, tripMs: null }] : []))
}

/** What the statistics say once they say all, or after a while. */
async function watched(peers: readonly RTCPeerConnection[]): Promise<Path[]> {
    const began = performance.now()
    for (;;) {
        await pause(500)
        const paths = await pathsOf(peers)
        const { udp, tcp, lossShare } = summary(paths)
        const isAll = [udp, tcp].every((one) => one.isOpen || !one.isOffered) && lossShare !== null
        if (isAll || performance.now() - began > WATCH_MS) return paths
    }
}

/** Connects and sends a soft tone, which no one hears: the room is the user's own. */
async function connected(media: Room, entry: Entry): Promise<void> {
    await media.connect(entry.media_url, entry.media_token, { autoSubscribe: false })
    const context = new AudioContext()
    const tone = new OscillatorNode(context)
    const out = context.createMediaStreamDestination()
    tone.connect(new GainNode(context, { gain: 0.01 })).connect(out)
    tone.start()
    const track = out.stream.getAudioTracks()[0]!
    track.addEventListener('ended', () => void context.close())
    await media.localParticipant.publishTrack(track, { source: Track.Source.Microphone, dtx: false })
    media.once('disconnected', () => void context.close())
}

/**
 * The connections that the library makes meanwhile; it does not show them itself.
 *
 * @param takes whether an address of the relay may be used
 */
function watchPeers(takes: (candidate: string) => boolean = () => true): {
    all: RTCPeerConnection[]
    stop: () => void
} {
    const Original = window.RTCPeerConnection
    const all: RTCPeerConnection[] = []
    window.RTCPeerConnection = new Proxy(Original, {
        construct(target, args: [RTCConfiguration?]) {
            const made = new target(...args)
            const add = made.addIceCandidate.bind(made)
            const describe = made.setRemoteDescription.bind(made)
            made.addIceCandidate = async (candidate?: RTCIceCandidateInit | null) => {
                if (takes(candidate?.candidate ?? '')) await add(candidate)
            }
            made.setRemoteDescription = (description) => {
                const lines = (description.sdp ?? '').split('\r\n')
                const kept = lines.filter((one) => !one.startsWith('a=candidate:') || takes(one))
                return describe({ type: description.type, sdp: kept.join('\r\n') })
            }
            all.push(made)
            return made
        },
    })
    return { all, stop: () => (window.RTCPeerConnection = Original) }
}

async function pathsOf(peers: readonly RTCPeerConnection[]): Promise<Path[]> {
    const paths: Path[] = []
    for (const peer of peers) {
        paths.push(...offersOf(peer.remoteDescription?.sdp ?? ''))
        const report = await peer.getStats().catch(() => null)
        if (report === null) continue
        const all = new Map<string, Record<string, unknown>>()
        report.forEach((one: Record<string, unknown>) => all.set(String(one.id), one))
        for (const one of all.values()) {
            if (one.type === 'candidate-pair') {
                const remote = all.get(String(one.remoteCandidateId)) ?? {}
                paths.push({
                    kind: 'pair',
                    protocol: String(remote.protocol),
                    address: `${String(remote.address ?? '')}:${String(remote.port)}`,
                    isOpen: one.state === 'succeeded' || Number(one.responsesReceived ?? 0) > 0,
                    tripMs: typeof one.currentRoundTripTime === 'number' ? one.currentRoundTripTime * 1000 : null,
                    isUsed: one.nominated === true,
                })
            }
            if (one.type === 'remote-inbound-rtp')
                paths.push({ kind: 'loss', share: typeof one.fractionLost === 'number' ? one.fractionLost : 0 })
        }
    }
    return paths
}

function hostOf(address: string): string {
    try {
        return new URL(address).host
    } catch {
        return address
    }
}

function deadline<T>(work: Promise<T>, ms: number): Promise<T> {
    return Promise.race([
        work,
        new Promise<T>((_resolve, reject) => setTimeout(() => reject(new DOMException('', 'TimeoutError')), ms)),
    ])
}

function pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms))
}
