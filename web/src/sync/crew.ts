/**
 * The tabs of one user at one server. One leads: it has the only socket, and shares what comes over a channel. The others follow:
 * they begin with its state, apply the same events, and go on with its session when it is gone.
 */
import type { Id } from '../core/ids'
import type { Frame, Session } from '../protocol/gateway'
import type { PlaceKey } from '../store/entities'
import type { State } from '../store/state'
import type { Connection } from './contract'
import type { Link } from './engine'
import type { GatewayLink, LinkHost } from './gateway_link'
import { noticeOf, type Notice } from './notice'

type EndCode = Parameters<LinkHost['ended']>[0]

type Said =
    | { t: 'hello'; tab: string }
    | { t: 'begin'; to: string | null; state: State; offset: number; session: Session; connection: Connection }
    | { t: 'event'; frame: Frame }
    | { t: 'resumed' }
    | { t: 'connection'; connection: Connection }
    | { t: 'ended'; code: EndCode; detail: string }
    | { t: 'say'; frame: { type: string; d: unknown } }
    | { t: 'wake'; slept: boolean }
    /** A tab that follows asks whether one leads, which answers. */
    | { t: 'there'; leads: boolean }
    | { t: 'attend'; tab: string; place: PlaceKey | null }

/** The engine of this tab. */
export interface Crewed extends LinkHost {
    readonly state: State
    readonly user: Id
    readonly clockOffset: number
    connectionNow: Connection
    adopt(state: State, offset: number): void
}

export interface Channel {
    postMessage(message: unknown): void
    onmessage: ((event: MessageEvent) => void) | null
    close(): void
}

export interface CrewHost {
    /** Opens the socket; what comes goes to `host`. A session that another tab had is resumed. */
    open(host: LinkHost, session: Session | null): GatewayLink
    /** Null where tabs cannot hear each other: then each leads itself. */
    channel: Channel | null
    /**
     * Resolves when this tab leads; `lost` is called when another took the lead.
     *
     * @param take from a tab that does not answer: the browser has frozen it.
     */
    lead(take: boolean, lost: () => void): Promise<void>
    every(ms: number, work: () => void): () => void
    /** This tab began to lead. */
    leads(): void
    notice(notice: Notice): void
    now(): number
}

const FROM_LEADER: readonly string[] = ['begin', 'event', 'resumed', 'connection', 'ended']
const ASK_MS = 2_000
const UNANSWERED = 3

export class Crew implements Link {
    private link: GatewayLink | null = null
    private session: Session | null = null
    private readonly attended = new Map<string, PlaceKey | null>()
    private isStopped = false
    private unanswered = 0
    private stopAsking: (() => void) | null = null

    constructor(
        private readonly engine: Crewed,
        private readonly host: CrewHost,
        private readonly tab: string,
    ) {}

    start(): void {
        const { channel } = this.host
        if (channel !== null) {
            channel.onmessage = ({ data }: MessageEvent<Said>) => this.heard(data)
            this.tell({ t: 'hello', tab: this.tab })
        }
        this.wait(false)
        if (channel !== null) this.stopAsking = this.host.every(ASK_MS, () => this.ask())
    }

    private wait(take: boolean): void {
        void this.host.lead(take, () => this.stepDown()).then(() => this.lead())
    }

    private ask(): void {
        if (this.isLeading) return
        if (this.unanswered >= UNANSWERED) {
            this.unanswered = 0
            return this.wait(true)
        }
        this.unanswered += 1
        this.tell({ t: 'there', leads: false })
    }

    /** Another tab leads: this one was frozen, and begins anew with that one's state. */
    private stepDown(): void {
        this.link?.stop()
        this.link = null
        this.session = null
        if (this.isStopped) return
        this.tell({ t: 'hello', tab: this.tab })
        this.wait(false)
    }

    get isLeading(): boolean {
        return this.link !== null
    }

    private lead(): void {
        if (this.isStopped || this.isLeading) return
        const { engine } = this
        this.link = this.host.open(
            {
                ready: (ready) => {
                    engine.ready(ready)
                    this.begin(null)
                },
                resumed: () => {
                    engine.resumed()
                    this.tell({ t: 'resumed' })
                },
                event: (frame) => {
                    engine.event(frame)
                    this.tell({ t: 'event', frame })
                    const seen = new Set([...this.attended.values()].filter((one) => one !== null))
                    const notice = noticeOf(engine.state, frame, engine.user, this.host.now() / 1000, seen)
                    if (notice !== null) this.host.notice(notice)
                },
                connection: (connection) => {
                    engine.connection(connection)
                    this.tell({ t: 'connection', connection })
                },
                ended: (code, detail) => {
                    this.tell({ t: 'ended', code, detail })
                    engine.ended(code, detail)
                },
            },
            this.session,
        )
        this.host.leads()
        this.link.start()
    }

    private begin(to: string | null): void {
        const session = this.link?.machine.session ?? null
        if (session === null) return
        const { state, clockOffset: offset, connectionNow: connection } = this.engine
        this.tell({ t: 'begin', to, state, offset, session: { ...session }, connection })
    }

    private tell(said: Said): void {
        this.host.channel?.postMessage(said)
    }

    private heard(said: Said): void {
        if (this.isStopped) return
        if (this.isLeading) this.heardLeading(said)
        else this.heardFollowing(said)
    }

    private heardLeading(said: Said): void {
        switch (said.t) {
            case 'hello':
                return this.begin(said.tab)
            case 'there':
                return this.tell({ t: 'there', leads: true })
            case 'say':
                return this.link?.say(said.frame)
            case 'wake':
                return this.link?.wake(said.slept)
            case 'attend':
                this.attended.set(said.tab, said.place)
        }
    }

    private heardFollowing(said: Said): void {
        const { engine } = this
        if (FROM_LEADER.includes(said.t) || (said.t === 'there' && said.leads)) this.unanswered = 0
        switch (said.t) {
            case 'begin':
                if (said.to !== null && said.to !== this.tab) return
                this.session = said.session
                engine.adopt(said.state, said.offset)
                return engine.connection(said.connection)
            case 'event': {
                const { seq } = said.frame
                if (this.session === null || seq === undefined || seq <= this.session.seq) return
                // What was missed is in the leader's state.
                if (seq !== this.session.seq + 1) {
                    this.session = null
                    return this.tell({ t: 'hello', tab: this.tab })
                }
                this.session.seq = seq
                return engine.event(said.frame)
            }
            case 'resumed':
                return this.session === null ? undefined : engine.resumed()
            case 'connection':
                return this.session === null ? undefined : engine.connection(said.connection)
            case 'ended':
                return engine.ended(said.code, said.detail)
        }
    }

    say(frame: { type: string; d: unknown }): void {
        if (this.link !== null) this.link.say(frame)
        else this.tell({ t: 'say', frame })
    }

    wake(slept: boolean): void {
        if (this.link !== null) this.link.wake(slept)
        else this.tell({ t: 'wake', slept })
    }

    network(on: boolean): void {
        if (this.link !== null) this.link.network(on)
    }

    attend(place: PlaceKey | null): void {
        this.attended.set(this.tab, place)
        if (!this.isLeading) this.tell({ t: 'attend', tab: this.tab, place })
    }

    stop(): void {
        this.isStopped = true
        this.stopAsking?.()
        this.link?.stop()
        this.link = null
        this.host.channel?.close()
    }
}
