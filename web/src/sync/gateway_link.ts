/** Drives the gateway's machine with a WebSocket and a clock. */
import { Gateway, type Action, type Frame, type Session } from '../protocol/gateway'
import { TICK_MS, Wake } from '../protocol/wake'
import type { Connection } from './contract'

/** What comes from the gateway, by this tab's socket or by another's. */
export interface LinkHost {
    /** A session began. `ready` replaces what was known. */
    ready(ready: Record<string, unknown>): void
    /** The session went on after an interruption. */
    resumed(): void
    event(frame: Frame): void
    connection(connection: Connection): void
    ended(code: 'AUTH_EXPIRED' | 'BANNED' | 'KICKED' | 'VERSION', detail: string): void
}

export interface Clock {
    now(): number
    every(ms: number, work: () => void): () => void
}

export const systemClock: Clock = {
    now: () => Date.now(),
    every(ms, work) {
        const timer = setInterval(work, ms)
        return () => clearInterval(timer)
    },
}

export type OpenSocket = (address: string) => WebSocket

/** The gateway's address beside REST's. */
export function gatewayAddress(server: URL): string {
    const url = new URL('gateway', server)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    return url.href
}

export class GatewayLink {
    readonly machine: Gateway
    private socket: WebSocket | null = null
    private stops: (() => void)[] = []

    constructor(
        token: string,
        private readonly address: string,
        private readonly host: LinkHost,
        private readonly clock: Clock = systemClock,
        private readonly open: OpenSocket = (to) => new WebSocket(to),
        session: Session | null = null,
    ) {
        this.machine = new Gateway(token, Math.random, session)
    }

    start(): void {
        const wake = new Wake(this.clock.now())
        this.stops = [
            this.clock.every(1_000, () => this.carryOut(this.machine.tick(this.clock.now()))),
            this.clock.every(TICK_MS, () => {
                if (wake.tick(this.clock.now())) this.wake(true)
            }),
        ]
        this.carryOut(this.machine.start(this.clock.now()))
    }

    stop(): void {
        for (const stop of this.stops) stop()
        this.stops = []
        this.carryOut(this.machine.stop())
    }

    wake(slept: boolean): void {
        this.carryOut(this.machine.wake(this.clock.now(), slept))
    }

    network(on: boolean): void {
        const now = this.clock.now()
        this.carryOut(on ? this.machine.wake(now, false) : this.machine.networkLost(now))
    }

    /** Sends a frame if there is a session now; what it says is not worth keeping. */
    say(frame: { type: string; d: unknown }): void {
        if (this.machine.state === 'live' && this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame))
    }

    private carryOut(actions: readonly Action[]): void {
        for (const action of actions) this.one(action)
        this.tellConnection()
    }

    private one(action: Action): void {
        switch (action.do) {
            case 'open':
                return this.connect()
            case 'close':
                return this.drop()
            case 'send':
                if (this.socket?.readyState === 1) this.socket.send(action.text)
                return
            case 'ready':
                return this.host.ready(action.d)
            case 'resumed':
                return this.host.resumed()
            case 'event':
                return this.host.event(action.frame)
            case 'ended':
                this.drop()
                for (const stop of this.stops) stop()
                return this.host.ended(action.code, action.detail)
        }
    }

    private connect(): void {
        this.drop()
        let socket: WebSocket
        try {
            socket = this.open(this.address)
        } catch {
            return this.carryOut(this.machine.closed(1006, '', this.clock.now()))
        }
        this.socket = socket
        socket.onmessage = (message) => {
            if (this.socket === socket && typeof message.data === 'string')
                this.carryOut(this.machine.received(message.data, this.clock.now()))
        }
        socket.onclose = (event) => {
            if (this.socket !== socket) return
            this.socket = null
            this.carryOut(this.machine.closed(event.code, event.reason, this.clock.now()))
        }
    }

    private drop(): void {
        const socket = this.socket
        this.socket = null
        if (socket === null) return
        socket.onmessage = socket.onclose = null
        socket.close(this.machine.state === 'idle' ? 1000 : 3000)
    }

    private said: string | null = null

    private tellConnection(): void {
        const { state, offlineSince, retryAt } = this.machine
        if (state === 'idle' || state === 'ended') return
        const connection: Connection =
            state === 'live' || (state === 'suspect' && offlineSince === null)
                ? { state: 'live' }
                : offlineSince !== null
                  ? { state: 'offline', since: offlineSince, retryAt }
                  : { state: 'connecting' }
        const text = JSON.stringify(connection)
        if (text === this.said) return
        this.said = text
        this.host.connection(connection)
    }
}
