/**
 * The client's side of the gateway, without sockets or clocks: what happens goes in with the time of it, what is to be done
 * comes out. docs/protocols/chat-gateway.md describes the frames and close codes.
 */
import { backoff } from './backoff'

export interface Frame {
    seq?: number
    type: string
    d: Record<string, unknown>
}

export interface Session {
    id: string
    /** The last number that was received. */
    seq: number
}

export type EndCode = 'AUTH_EXPIRED' | 'BANNED' | 'KICKED' | 'VERSION'

export type Action =
    /** Closes the socket there is, if any, and opens another. */
    | { do: 'open' }
    | { do: 'close' }
    | { do: 'send'; text: string }
    /** A session began: what was known before may have changed unseen. */
    | { do: 'ready'; d: Record<string, unknown> }
    /** The session goes on, and nothing was missed. */
    | { do: 'resumed' }
    | { do: 'event'; frame: Frame }
    | { do: 'ended'; code: EndCode; detail: string }

export type GatewayState = 'idle' | 'offline' | 'connecting' | 'identifying' | 'resuming' | 'live' | 'suspect' | 'ended'

export const CAPABILITIES = ['string_ids', 'snapshot', 'account_events', 'presence_batch'] as const

const OPEN_DEADLINE_MS = 10_000
const BEGIN_DEADLINE_MS = 15_000
const ACK_DEADLINE_MS = 10_000
const SUSPECT_DEADLINE_MS = 3_000
const RESUMABLE_MS = 300_000
const NETWORK_WAIT_MS = 60_000
const LATER_MS = 15_000

export class Gateway {
    state: GatewayState = 'idle'
    /** When the connection was lost, and when the next try is made. */
    offlineSince: number | null = null
    retryAt: number | null = null
    private tries = 0
    private deadline = Infinity
    private heartbeatEvery = 45_000
    private nextHeartbeat = Infinity
    private lastHeard = 0

    constructor(
        private readonly token: string,
        private readonly random: () => number,
        public session: Session | null = null,
    ) {}

    start(now: number): Action[] {
        if (this.session !== null) this.lastHeard = now
        return this.connect(now)
    }

    stop(): Action[] {
        this.state = 'idle'
        this.deadline = this.nextHeartbeat = Infinity
        return [{ do: 'close' }]
    }

    received(text: string, now: number): Action[] {
        const frame = decoded(text)
        if (frame === null || this.state === 'idle' || this.state === 'ended' || this.state === 'offline') return []
        this.lastHeard = now
        if (this.state === 'suspect') this.state = 'live'
        if (this.state === 'live') this.deadline = Infinity
        switch (frame.type) {
            case 'hello':
                return this.greeted(frame, now)
            case 'heartbeat_ack':
            case 'error':
                return []
            case 'ready':
                if (this.state !== 'identifying' || typeof frame.d.session_id !== 'string') return []
                this.session = { id: frame.d.session_id, seq: frame.seq ?? 1 }
                this.becomeLive()
                return [{ do: 'ready', d: frame.d }]
            case 'resumed':
                if (this.state !== 'resuming') return []
                this.becomeLive()
                return [{ do: 'resumed' }]
        }
        return this.numbered(frame, now)
    }

    private numbered(frame: Frame, now: number): Action[] {
        if (frame.seq === undefined) return [{ do: 'event', frame }]
        if (this.session === null || frame.seq <= this.session.seq) return []
        if (frame.seq !== this.session.seq + 1) {
            this.session = null
            return this.connect(now)
        }
        this.session.seq = frame.seq
        return [{ do: 'event', frame }]
    }

    private greeted(frame: Frame, now: number): Action[] {
        if (this.state !== 'connecting') return []
        const every = frame.d.heartbeat_interval
        this.heartbeatEvery = typeof every === 'number' && every >= 1_000 ? every : 45_000
        this.nextHeartbeat = now + this.heartbeatEvery
        this.deadline = now + BEGIN_DEADLINE_MS
        if (this.session !== null) {
            this.state = 'resuming'
            const d = { token: this.token, session_id: this.session.id, last_seq: this.session.seq }
            return [sending({ type: 'resume', d })]
        }
        this.state = 'identifying'
        return [
            sending({ type: 'identify', d: { token: this.token, protocol_version: 1, capabilities: CAPABILITIES } }),
        ]
    }

    private becomeLive(): void {
        this.state = 'live'
        this.tries = 0
        this.deadline = Infinity
        this.offlineSince = this.retryAt = null
    }

    /** The socket is closed, by whomever. */
    closed(code: number, reason: string, now: number): Action[] {
        if (this.state === 'idle' || this.state === 'ended' || this.state === 'offline') return []
        switch (code) {
            case 4004:
                return this.end(
                    reason.startsWith('BANNED') ? 'BANNED' : reason.startsWith('KICKED') ? 'KICKED' : 'AUTH_EXPIRED',
                    reason,
                )
            case 4002:
            case 4005:
            case 4011:
                return this.end('VERSION', reason)
            case 4003:
                this.session = null
                return this.fail(now, 0)
            case 4009:
            case 4010: {
                // Once at once: the server is there, and says what it needs.
                const again = this.session !== null
                this.session = null
                return again ? this.connect(now) : this.fail(now, 0)
            }
            case 4006:
            case 4012:
                return this.fail(now, LATER_MS)
            default:
                return this.fail(now, 0)
        }
    }

    private end(code: EndCode, detail: string): Action[] {
        this.state = 'ended'
        this.session = null
        this.deadline = this.nextHeartbeat = Infinity
        return [{ do: 'ended', code, detail }]
    }

    private fail(now: number, least: number): Action[] {
        this.tries += 1
        this.state = 'offline'
        this.offlineSince ??= now
        this.nextHeartbeat = Infinity
        this.retryAt = this.deadline = now + Math.max(least, backoff(this.tries, this.random))
        return [{ do: 'close' }]
    }

    private connect(now: number): Action[] {
        if (this.session !== null && now - this.lastHeard > RESUMABLE_MS) this.session = null
        this.state = 'connecting'
        this.nextHeartbeat = Infinity
        this.retryAt = null
        this.deadline = now + OPEN_DEADLINE_MS
        return [{ do: 'open' }]
    }

    /** To be called about every second. */
    tick(now: number): Action[] {
        if (now >= this.deadline) {
            switch (this.state) {
                case 'offline':
                    return this.connect(now)
                case 'suspect':
                case 'live':
                    this.offlineSince ??= now
                    return this.connect(now)
                case 'connecting':
                case 'identifying':
                case 'resuming':
                    return this.fail(now, 0)
            }
        }
        if (now >= this.nextHeartbeat && (this.state === 'live' || this.state === 'suspect'))
            return this.beat(now, ACK_DEADLINE_MS)
        return []
    }

    private beat(now: number, patience: number): Action[] {
        this.nextHeartbeat = now + this.heartbeatEvery
        this.deadline = Math.min(this.deadline, now + patience)
        return [sending({ type: 'heartbeat', d: { seq: this.session?.seq } })]
    }

    /** The page was shown, the network changed, or the machine slept: an open socket is not believed before it answers. */
    wake(now: number, slept: boolean): Action[] {
        switch (this.state) {
            case 'offline':
                this.tries = 0
                return this.connect(now)
            case 'live':
                if (slept) return this.replace(now)
                this.state = 'suspect'
                return this.beat(now, SUSPECT_DEADLINE_MS)
            case 'suspect':
            case 'connecting':
            case 'identifying':
            case 'resuming':
                return slept ? this.replace(now) : []
            default:
                return []
        }
    }

    private replace(now: number): Action[] {
        this.offlineSince ??= now
        this.tries = 0
        return this.connect(now)
    }

    /** The browser says that there is no network: no socket is waited for. */
    networkLost(now: number): Action[] {
        if (this.state === 'idle' || this.state === 'ended') return []
        this.state = 'offline'
        this.offlineSince ??= now
        this.nextHeartbeat = Infinity
        this.retryAt = this.deadline = now + NETWORK_WAIT_MS
        return [{ do: 'close' }]
    }
}

function sending(frame: unknown): Action {
    return { do: 'send', text: JSON.stringify(frame) }
}

function decoded(text: string): Frame | null {
    let value: unknown
    try {
        value = JSON.parse(text)
    } catch {
        return null
    }
    if (typeof value !== 'object' || value === null) return null
    const { type, seq, d } = value as Record<string, unknown>
    if (typeof type !== 'string') return null
    const frame: Frame = { type, d: typeof d === 'object' && d !== null ? (d as Record<string, unknown>) : {} }
    if (typeof seq === 'number') frame.seq = seq
    return frame
}
