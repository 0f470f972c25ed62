/** One user's state at one server, kept up to date: what the worker of a tab runs. The page sees it through `EngineHost`. */
import { ApiError, type Http } from '../api/http'
import { isNewer, type Id } from '../core/ids'
import type { Frame } from '../protocol/gateway'
import type { Entry } from '../protocol/outbox'
import { apply, TOLD } from '../store/apply'
import {
    placeKey,
    type Layout,
    type Member,
    type Message,
    type Place,
    type PlaceKey,
    type Role,
    type Settings,
    type Thread,
} from '../store/entities'
import type { WireMessage } from '../store/messages'
import { emptyState, fromReady, setLayout, type Part, type State } from '../store/state'
import type { Connection, Pending } from './contract'
import { type Clock, type LinkHost } from './gateway_link'
import { Marks } from './marks'
import { OutboxRunner } from './outbox_runner'
import { ALL_PARTS, statePatch } from './patch'
import { Places, ignoreRefusal, placeOf } from './places'
import type { Store, StoredPlace } from './store_port'
import { Typists } from './typists'
import { View } from './view'
import type { StatePatch, ViewPatch } from './wire'

/** To be raised when the fields of `State` or of messages change: what was stored before is read again. */
const STATE_VERSION = 2
const FLUSH_MS = 16
const SAVE_MS = 2_000
const DRAFT_MS = 200
const RELOAD_MS = 250
const KEPT_PLACES = 40
const KEPT_MESSAGES = 50
const LOOKUP_MS = 30
const LOOKUP_MOST = 500
/** How long a message that has arrived keeps its row when the event that brings it does not come. */
const LANDING_MS = 10_000

/** The socket of this tab, or of the one that leads. */
export interface Link {
    say(frame: { type: string; d: unknown }): void
    wake(slept: boolean): void
    network(on: boolean): void
    stop(): void
}

export interface EngineHost {
    changes(state: StatePatch | null, views: [number, ViewPatch][]): void
    /** An event that changes no state, for the screens. */
    told(type: string, d: Record<string, unknown>): void
}

export class Engine implements LinkHost {
    state: State = emptyState()
    connectionNow: Connection = { state: 'connecting' }
    isReady = false
    epoch = 0
    live = false
    readonly places: Places
    readonly runner: OutboxRunner
    readonly marks: Marks
    link: Link | null = null
    private readonly drafts = new Map<PlaceKey, string>()
    private readonly views = new Map<number, View>()
    private readonly changedParts = new Set<Part | 'connection' | 'ready' | 'drafts'>()
    private readonly changedMembers = new Set<Id>()
    private readonly timers = new Map<string, ReturnType<typeof setTimeout>>()
    private readonly typists = new Typists((place) => this.placeChanged(place, false))
    private readonly landed = new Map<string, { entry: Entry; id: Id; until: number }>()
    private readonly wanted = new Set<Id>()
    /** People who were asked for once; whom the server does not know is not asked for again. */
    private readonly asked = new Set<Id>()
    private readonly unsavedDrafts = new Set<PlaceKey>()
    private readonly unsavedPlaces = new Set<PlaceKey>()
    private offset = 0
    private stopTick: (() => void) | null = null

    constructor(
        readonly http: Http,
        readonly user: Id,
        readonly store: Store,
        private readonly host: EngineHost,
        private readonly clock: Clock,
    ) {
        const engine = this
        this.places = new Places({
            http,
            get epoch() {
                return engine.epoch
            },
            get live() {
                return engine.live
            },
            me: () => user,
            thread: (id) => this.state.threads.get(id),
            knowThread: (thread) => {
                this.state.threads.set(thread.thread_id, thread)
                this.parts(['threads'])
            },
            addMembers: (members) => this.addMembers(members),
            changed: (place) => this.placeChanged(place, true),
        })
        this.marks = new Marks({
            http,
            user,
            get state() {
                return engine.state
            },
            places: this.places,
            marksChanged: () => this.parts(['marks']),
            later: (name, ms, work) => this.later(name, ms, work),
        })
        this.runner = new OutboxRunner({
            http,
            store,
            path: (place) => this.places.path(place),
            me: () => user,
            now: () => clock.now(),
            clockOffset: () => this.offset,
            changed: (place) => this.placeChanged(place, false),
            arrived: (entry, id) => {
                // A command was carried out: it leaves no message.
                if (id !== '0') this.landed.set(entry.nonce, { entry, id, until: clock.now() + LANDING_MS })
            },
            expired: () => this.ended('AUTH_EXPIRED', ''),
        })
    }

    /** Shows what is stored; the link is started by the caller after this. */
    async start(): Promise<void> {
        this.stopTick = this.clock.every(1_000, () => this.tick())
        const stored = await this.store.read().catch(() => null)
        if (stored === null) return
        for (const [place, text] of stored.drafts) this.drafts.set(place, text)
        for (const one of stored.places.toSorted((a, b) => a.used - b.used))
            this.places.log(one.place).restore(one.messages)
        const kept = stored.state as { version: number; state: State } | null
        if (kept?.version === STATE_VERSION) {
            this.state = kept.state
            this.isReady = true
        }
        this.all()
    }

    /** What was written in tabs that are gone is sent by the one that leads. */
    async takeOutbox(): Promise<void> {
        const stored = await this.store.readOutbox().catch(() => [])
        for (const entry of stored) {
            if (this.runner.outbox.get(entry.nonce) !== null) continue
            this.runner.outbox.put(entry)
            this.placeChanged(entry.place, false)
        }
        this.runner.run()
    }

    stop(): void {
        this.stopTick?.()
        for (const timer of this.timers.values()) clearTimeout(timer)
        this.timers.clear()
        this.link?.stop()
        this.link = null
        this.runner.active = false
    }

    private tick(): void {
        const now = this.clock.now()
        this.runner.run()
        for (const [nonce, one] of this.landed) {
            if (one.until > now) continue
            this.landed.delete(nonce)
            this.placeChanged(one.entry.place, false)
        }
        this.typists.tick(now)
    }

    // What the gateway says

    ready(ready: Record<string, unknown>): void {
        if (typeof ready.server_time === 'number') this.offset = ready.server_time * 1000 - this.clock.now()
        const before = this.state
        this.state = fromReady(ready, this.state)
        this.newSession()
        this.forgetUnseen(before)
    }

    /** The state as another tab has it, at the beginning of what it will tell. */
    adopt(state: State, offset: number): void {
        const before = this.state
        this.state = state
        this.offset = offset
        this.newSession()
        this.forgetUnseen(before)
    }

    get clockOffset(): number {
        return this.offset
    }

    private newSession(): void {
        this.epoch += 1
        this.live = true
        this.places.cut()
        this.isReady = true
        this.all()
        this.settleAll()
        this.runner.outbox.hurry(this.clock.now())
        this.runner.run()
    }

    /** Places that are no longer there leave store and cache at once. */
    private forgetUnseen(before: State): void {
        const now = new Set(this.state.layout.feeds.map((one) => one.feed_id))
        for (const feed of before.layout.feeds) if (!now.has(feed.feed_id)) this.forget(`feed:${feed.feed_id}`)
    }

    private forget(place: PlaceKey): void {
        this.places.forget(place)
        this.unsavedPlaces.delete(place)
        void this.store.deletePlace(place).catch(() => undefined)
        this.placeChanged(place, true)
        for (const view of this.views.values()) if (view.key === place) view.lose()
    }

    resumed(): void {
        this.live = true
        this.settleAll()
        this.runner.outbox.hurry(this.clock.now())
        this.runner.run()
    }

    connection(connection: Connection): void {
        this.live = connection.state === 'live' && this.epoch > 0
        this.connectionNow = connection
        this.changedParts.add('connection')
        this.flushSoon()
    }

    ended(code: 'AUTH_EXPIRED' | 'BANNED' | 'KICKED' | 'VERSION', detail: string): void {
        if (this.connectionNow.state === 'ended') return
        this.connection({ state: 'ended', code, detail })
        this.runner.active = false
        this.link?.stop()
        if (code === 'AUTH_EXPIRED') void this.store.wipeCache().catch(() => undefined)
        else if (code !== 'VERSION') void this.store.wipe().catch(() => undefined)
    }

    event(frame: Frame): void {
        const { type, d } = frame
        if (type === 'typing_start') return this.typing(d)
        if (type === 'read_update') return this.marks.readUpdate(d)
        if (type.startsWith('message_')) return this.messageEvent(type, d)
        if (TOLD.includes(type)) this.host.told(type, d)
        const parts = apply(this.state, type, d)
        this.parts(parts)
        if (parts.includes('members')) {
            this.changedMembers.add(String(d.user_id))
            if (type === 'role_delete') for (const id of this.state.members.keys()) this.changedMembers.add(id)
        }
        if (type === 'feed_delete') this.forget(`feed:${String(d.feed_id)}`)
        if (type === 'thread_delete') this.forget(`thread:${String(d.thread_id)}`)
        if (type === 'dm_recipient_remove' && d.user_id === this.user) this.forget(`dm:${String(d.dm_id)}`)
        if (parts.includes('rights')) this.checkRights()
    }

    /** The user left a conversation, of which the server tells the others alone. */
    left(dm: Id): void {
        this.parts(apply(this.state, 'dm_recipient_remove', { dm_id: dm, user_id: this.user }))
        this.forget(`dm:${dm}`)
    }

    /** A feed that may no longer be read is forgotten with the event that says so. */
    private checkRights(): void {
        for (const [key, mask] of this.state.spaces) if (mask === 0n && key.startsWith('feed:')) this.forget(key)
    }

    private messageEvent(type: string, d: Record<string, unknown>): void {
        this.places.event(type, d)
        if (type !== 'message_create') return
        const wire = d as unknown as WireMessage
        const place = placeOf(wire)
        if (place === null) return
        if (wire.author_id) this.typists.ended(place, wire.author_id)
        this.threadGrew(wire)
        if (typeof wire.nonce === 'string') void this.runner.seen(wire.nonce, wire.msg_id)
        this.marks.arrived(place, wire)
        if (place.startsWith('dm:')) {
            const dm = this.state.dms.find((one) => `dm:${one.dm_id}` === place)
            if (dm !== undefined && this.state.dms[0] !== dm) {
                this.state.dms = [dm, ...this.state.dms.filter((one) => one !== dm)]
                this.parts(['dms'])
            }
        }
    }

    learnThreads(threads: readonly Thread[]): void {
        for (const one of threads)
            this.state.threads.set(one.thread_id, { ...this.state.threads.get(one.thread_id), ...one })
        this.parts(['threads'])
    }

    /** A thread's place in lists by activity follows its messages. */
    private threadGrew(wire: WireMessage): void {
        const known = wire.thread_id ? this.state.threads.get(wire.thread_id) : undefined
        if (known === undefined || (known.last_msg_id && !isNewer(wire.msg_id, known.last_msg_id))) return
        this.state.threads.set(known.thread_id, {
            ...known,
            last_msg_id: wire.msg_id,
            ...(known.messages === undefined ? {} : { messages: known.messages + 1 }),
        })
        this.parts(['threads'])
    }

    private typing(d: Record<string, unknown>): void {
        const id = String(d.user_id)
        if (id === this.user) return
        const place = d.dm_id ? `dm:${String(d.dm_id)}` : `feed:${String(d.feed_id)}`
        this.typists.began(place, id, this.clock.now())
    }

    // What the page asks for

    openView(number: number, place: Place): void {
        const view = new View(this, placeKey(place))
        this.views.set(number, view)
        this.places.hold(view.key)
        view.dirty = true
        this.flushSoon()
        void view.settle()
    }

    view(number: number): View | null {
        return this.views.get(number) ?? null
    }

    closeView(number: number): void {
        const view = this.views.get(number)
        if (view === undefined) return
        this.views.delete(number)
        this.unsavedPlaces.add(view.key)
        this.places.release(view.key)
        this.saveSoon()
    }

    private settleAll(): void {
        for (const view of this.views.values()) void view.settle()
    }

    send(
        place: PlaceKey,
        nonce: string,
        content: Pick<Entry, 'body' | 'reply_to' | 'attachments' | 'mentions' | 'embed'>,
    ): void {
        const now = this.clock.now()
        const order = Math.max(now, ...this.runner.outbox.all.map((one) => one.order + 1))
        void this.runner.add({
            nonce,
            place,
            ...content,
            created: now,
            order,
            tries: 0,
            next: now,
            state: 'waiting',
            error: null,
        })
    }

    pendingOf(place: PlaceKey): Pending[] {
        const log = this.places.log(place)
        const landing = [...this.landed.values()].filter((one) => one.entry.place === place)
        for (const one of landing) if (log.ranges.find(one.id) >= 0) this.landed.delete(one.entry.nonce)
        return [
            ...landing
                .filter((one) => log.ranges.find(one.id) < 0)
                .map((one) => pendingOf({ ...one.entry, state: 'sending' })),
            ...this.runner.outbox.all.filter((one) => one.place === place).map(pendingOf),
        ]
    }

    typingIn(place: PlaceKey): Id[] {
        return this.typists.in(place)
    }

    isTyping(place: PlaceKey): void {
        if (!this.typists.tells(place, this.clock.now())) return
        const [kind, id] = place.split(':') as [string, Id]
        if (kind !== 'thread') this.link?.say({ type: 'typing', d: kind === 'dm' ? { dm_id: id } : { feed_id: id } })
    }

    setDraft(place: PlaceKey, text: string): void {
        if (text === '') this.drafts.delete(place)
        else this.drafts.set(place, text)
        this.unsavedDrafts.add(place)
        this.later('drafts', DRAFT_MS, () => this.saveDrafts())
    }

    saveDrafts(): void {
        for (const place of this.unsavedDrafts)
            void this.store.putDraft(place, this.drafts.get(place) ?? '').catch(() => undefined)
        this.unsavedDrafts.clear()
    }

    wantMembers(ids: readonly Id[]): void {
        for (const id of ids) {
            if (this.asked.has(id) || this.state.members.has(id)) continue
            this.asked.add(id)
            this.wanted.add(id)
        }
        if (this.wanted.size > 0) this.later('lookup', LOOKUP_MS, () => void this.lookup().catch(ignoreRefusal))
    }

    private async lookup(): Promise<void> {
        const ids = [...this.wanted].slice(0, LOOKUP_MOST)
        for (const id of ids) this.wanted.delete(id)
        if (this.wanted.size > 0) this.later('lookup', LOOKUP_MS, () => void this.lookup().catch(ignoreRefusal))
        const answer = await this.http
            .request<{ members: Member[] }>('members/lookup', { method: 'POST', body: { user_ids: ids } })
            .catch((error: unknown) => {
                for (const id of ids) this.asked.delete(id)
                throw error
            })
        this.addMembers(answer.members)
    }

    addMembers(members: readonly Member[]): void {
        for (const member of members) {
            const known = this.state.members.get(member.user_id)
            this.state.members.set(member.user_id, { ...known, ...member })
            this.changedMembers.add(member.user_id)
        }
        if (members.length > 0) this.flushSoon()
    }

    // Telling the page, and storing

    private parts(parts: readonly Part[]): void {
        for (const part of parts) {
            if (part === 'reload-layout') this.later(part, RELOAD_MS, () => this.reload(() => this.reloadLayout()))
            else if (part === 'reload-roles') this.later(part, RELOAD_MS, () => this.reload(() => this.reloadRoles()))
            else if (part === 'reload-settings')
                this.later(part, RELOAD_MS, () => this.reload(() => this.reloadSettings()))
            else this.changedParts.add(part)
        }
        if (parts.length > 0) this.flushSoon()
        if (parts.some((part) => part !== 'presences')) this.saveSoon()
    }

    private reload(work: () => Promise<void>): void {
        void work().catch((error: unknown) => {
            if (!(error instanceof ApiError)) throw error
            if (error.isTemporary) this.later('again', error.retryAfterMs ?? 5_000, () => this.reload(work))
        })
    }

    private async reloadLayout(): Promise<void> {
        const before = this.state
        const layouts = before.layout
        const layout = await this.http.request<Layout>('server/layout')
        const now = new Set(layout.feeds.map((one) => one.feed_id))
        for (const feed of layouts.feeds) if (!now.has(feed.feed_id)) this.forget(`feed:${feed.feed_id}`)
        this.parts(setLayout(this.state, layout))
    }

    private async reloadRoles(): Promise<void> {
        this.state.roles = (await this.http.request<{ items: Role[] }>('roles')).items
        this.parts(['roles'])
    }

    private async reloadSettings(): Promise<void> {
        this.state.settings = await this.http.request<Settings>('users/@me/settings')
        this.parts(['settings'])
    }

    placeChanged(place: PlaceKey, stored: boolean): void {
        for (const view of this.views.values()) if (view.key === place) view.dirty = true
        if (stored) {
            this.unsavedPlaces.add(place)
            this.saveSoon()
        }
        this.flushSoon()
    }

    private all(): void {
        for (const part of ALL_PARTS) this.changedParts.add(part)
        this.changedParts.add('connection').add('ready').add('drafts')
        for (const id of this.state.members.keys()) this.changedMembers.add(id)
        for (const view of this.views.values()) view.dirty = true
        this.flushSoon()
        this.saveSoon()
    }

    flushSoon(): void {
        this.later('flush', FLUSH_MS, () => this.flush())
    }

    private later(name: string, ms: number, work: () => void): void {
        if (this.timers.has(name)) return
        this.timers.set(
            name,
            setTimeout(() => {
                this.timers.delete(name)
                work()
            }, ms),
        )
    }

    /** One batch with all that changed since the last. */
    flush(): void {
        const { state } = this
        const patch = statePatch(state, this.changedParts)
        if (this.changedParts.has('connection')) patch.connection = this.connectionNow
        if (this.changedParts.has('ready')) patch.ready = this.isReady
        if (this.changedParts.has('drafts')) patch.drafts = this.drafts
        if (this.changedMembers.size > 0)
            patch.members = [...this.changedMembers]
                .map((id) => state.members.get(id))
                .filter((one) => one !== undefined)
        this.changedParts.clear()
        this.changedMembers.clear()
        const views: [number, ViewPatch][] = []
        for (const [number, view] of this.views) {
            if (!view.dirty) continue
            view.dirty = false
            views.push([number, view.patch()])
        }
        if (Object.keys(patch).length > 0 || views.length > 0)
            this.host.changes(Object.keys(patch).length > 0 ? patch : null, views)
    }

    private saveSoon(): void {
        this.later('save', SAVE_MS, () => void this.save().catch(() => undefined))
    }

    private async save(): Promise<void> {
        if (!this.isReady || this.connectionNow.state === 'ended') return
        // Presences and voice rooms are of the moment.
        const state = { ...this.state, presences: new Map(), voice: new Map(), isInterrupted: false }
        await this.store.putState({ version: STATE_VERSION, state })
        const places: StoredPlace[] = []
        const now = this.clock.now()
        this.places
            .recent()
            .slice(0, KEPT_PLACES)
            .forEach(([place, log], at) => {
                if (!this.unsavedPlaces.has(place)) return
                const messages: Message[] = log.newest(KEPT_MESSAGES)
                if (messages.length > 0) places.push({ place, used: now - at, messages })
            })
        this.unsavedPlaces.clear()
        await this.store.putPlaces(places)
    }
}

function pendingOf(entry: Entry): Pending {
    const { nonce, body, reply_to, attachments, created, state, error } = entry
    return { nonce, body, reply_to, attachments, created, state, error }
}
