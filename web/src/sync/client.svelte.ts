/** The page's side: signals that a worker keeps up to date, one batch a frame. */
import type { ClientInfo } from '../api/auth'
import { ApiError, type RequestOptions } from '../api/http'
import type { Id } from '../core/ids'
import { nonce as newNonce } from '../core/nonce'
import {
    placeKey,
    type Conversation,
    type Emoji,
    type Layout,
    type Mark,
    type Member,
    type Message,
    type PlaceKey,
    type Presence,
    type Role,
    type Settings,
    type Sticker,
    type Thread,
    type VoiceState,
} from '../store/entities'
import { mentionsIn } from '../store/messages'
import { isMuted } from '../store/unread'
import type { Connection, Login, Pending, Place, PlaceView, Row, Sync, SyncClient } from './contract'
import type { Command, StatePatch, ToPage, ToWorker, ViewPatch, WireError, WireOptions } from './wire'
import workerAddress from './worker.ts?worker&url'

interface Waiting {
    resolve(value: unknown): void
    reject(error: unknown): void
}

interface TrustedTypes {
    createPolicy(
        name: string,
        rules: { createScriptURL(url: string): string },
    ): { createScriptURL(url: string): unknown }
}

/** Browsers with trusted types take a worker's address only from a named policy, which knows this one address. */
let policy: { createScriptURL(url: string): unknown } | null = null

function startWorker(): Worker {
    const types = (globalThis as unknown as { trustedTypes?: TrustedTypes }).trustedTypes
    policy ??=
        types?.createPolicy('vox-worker', { createScriptURL: (url) => (url === workerAddress ? url : '') }) ?? null
    const address = policy === null ? workerAddress : policy.createScriptURL(workerAddress)
    return new Worker(address as string, { type: 'module' })
}

class View implements PlaceView {
    state = $state.raw<PlaceView['state']>('loading')
    rows = $state.raw<readonly Row[]>([])
    pending = $state.raw<readonly Pending[]>([])
    hasOlder = $state.raw(false)
    hasNewer = $state.raw(false)
    newerCount = $state.raw(0)
    typing = $state.raw<readonly Id[]>([])
    private text = $state('')
    private following = true
    private byId = new Map<Id, Row>()
    private highlighted: Id | null = null
    private readonly key: PlaceKey

    constructor(
        readonly place: Place,
        private readonly number: number,
        private readonly client: Client,
    ) {
        this.key = placeKey(place)
        this.text = client.drafts.get(this.key) ?? ''
    }

    get mark(): Mark | null {
        return this.client.mark(this.place)
    }

    get draft(): string {
        return this.text
    }

    set draft(text: string) {
        if (text === this.text) return
        this.text = text
        if (text === '') this.client.drafts.delete(this.key)
        else this.client.drafts.set(this.key, text)
        this.client.tell({ t: 'draft', place: this.key, text })
    }

    get follow(): boolean {
        return this.following
    }

    set follow(on: boolean) {
        if (on === this.following) return
        this.following = on
        this.client.tell({ t: 'follow', view: this.number, on })
    }

    take(patch: ViewPatch): void {
        const changed = new Map((patch.messages ?? []).map((message): [Id, Message] => [message.msg_id, message]))
        if (patch.rows !== undefined) {
            const byId = new Map<Id, Row>()
            const highlighted = patch.highlighted ?? null
            const rows = patch.rows.map((key): Row => {
                const id = 'id' in key ? key.id : `gap ${key.before} ${key.after}`
                const row = this.row(key, id, changed.get(id), highlighted)
                byId.set(id, row)
                return row
            })
            this.byId = byId
            this.highlighted = highlighted
            if (rows.length !== this.rows.length || rows.some((row, at) => row !== this.rows[at])) this.rows = rows
        }
        if (patch.state !== undefined) this.state = patch.state
        if (patch.hasOlder !== undefined) this.hasOlder = patch.hasOlder
        if (patch.hasNewer !== undefined) this.hasNewer = patch.hasNewer
        if (patch.newerCount !== undefined) this.newerCount = patch.newerCount
        if (patch.pending !== undefined && (patch.pending.length > 0 || this.pending.length > 0))
            this.pending = patch.pending
        if (patch.typing !== undefined && (patch.typing.length > 0 || this.typing.length > 0))
            this.typing = patch.typing
    }

    /** A row stays the same object as long as nothing about it changed. */
    private row(
        key: NonNullable<ViewPatch['rows']>[number],
        id: Id,
        message: Message | undefined,
        highlighted: Id | null,
    ): Row {
        const known = this.byId.get(id)
        if (!('id' in key)) return known ?? { kind: 'gap', ...key }
        const wasLit = this.highlighted === id
        if (known !== undefined && message === undefined && wasLit === (highlighted === id)) return known
        const shown = message ?? (known as Row & { kind: 'message' }).message
        return highlighted === id
            ? { kind: 'message', message: shown, highlighted: true }
            : { kind: 'message', message: shown }
    }

    private call(command: Command): Promise<void> {
        return this.client.call<void>(command)
    }

    loadOlder(): Promise<void> {
        return this.call({ do: 'loadOlder', view: this.number })
    }

    loadNewer(): Promise<void> {
        return this.call({ do: 'loadNewer', view: this.number })
    }

    jump(to: Id | 'newest' | 'first-unread'): Promise<void> {
        return this.call({ do: 'jump', view: this.number, to })
    }

    async fillGap(row: Row): Promise<void> {
        if (row.kind === 'gap')
            await this.call({ do: 'fillGap', view: this.number, before: row.before, after: row.after })
    }

    send(body: string, options: Parameters<PlaceView['send']>[1] = {}): void {
        const nonce = newNonce()
        const { reply_to = null, attachments = [], mentions = mentionsIn(body) } = options
        const entry = { nonce, body, reply_to, attachments: [...attachments] }
        // The row stands there with the key press, before the worker has heard of it.
        this.pending = [...this.pending, { ...entry, created: Date.now(), state: 'waiting', error: null }]
        const card = options.embed === undefined ? {} : { embed: options.embed }
        this.client.tell({ t: 'send', place: this.key, ...entry, mentions: [...mentions], ...card })
    }

    retry(nonce: string): void {
        this.client.tell({ t: 'retry', nonce })
    }

    discard(nonce: string): void {
        this.client.tell({ t: 'discard', nonce })
    }

    edit(id: Id, body: string): Promise<void> {
        return this.call({ do: 'edit', view: this.number, id, body })
    }

    remove(id: Id): Promise<void> {
        return this.call({ do: 'remove', view: this.number, id })
    }

    react(id: Id, emoji: string, on: boolean): Promise<void> {
        return this.call({ do: 'react', view: this.number, id, emoji, on })
    }

    pin(id: Id, on: boolean): Promise<void> {
        return this.call({ do: 'pin', view: this.number, id, on })
    }

    markRead(id: Id): void {
        if (document.visibilityState === 'visible' && document.hasFocus())
            this.client.tell({ t: 'markRead', view: this.number, id })
    }

    markUnreadFrom(id: Id): Promise<void> {
        return this.call({ do: 'markUnreadFrom', view: this.number, id })
    }

    isTyping(): void {
        this.client.tell({ t: 'typing', place: this.key })
    }

    close(): void {
        this.client.forgetView(this.number)
    }
}

class Client implements SyncClient {
    connection = $state.raw<Connection>({ state: 'connecting' })
    ready = $state.raw(false)
    me = $state.raw<Member | null>(null)
    serverName = $state.raw('')
    layout = $state.raw<Layout>({ categories: [], feeds: [], rooms: [] })
    roles = $state.raw<readonly Role[]>([])
    permissions = $state.raw(0n)
    dms = $state.raw<readonly Conversation[]>([])
    emoji = $state.raw<readonly Emoji[]>([])
    settings = $state.raw<Settings>({ revision: 0, settings: {} })
    stickers = $state.raw<readonly Sticker[]>([])
    isInterrupted = $state.raw(false)
    present = $state.raw<ReadonlyMap<Id, Presence>>(new Map())
    people = $state.raw<ReadonlyMap<Id, Member>>(new Map())
    private about = $state.raw<ClientInfo | null>(null)
    private timeouts = $state.raw<ReadonlyMap<Id, number>>(new Map())
    private spaces = $state.raw<ReadonlyMap<string, bigint>>(new Map())
    private marks = $state.raw<ReadonlyMap<PlaceKey, Mark>>(new Map())
    private knownThreads = $state.raw<ReadonlyMap<Id, Thread>>(new Map())
    private followed = $state.raw<NonNullable<StatePatch['followed']>>({ feeds: new Set(), threads: new Set() })
    private voices = $state.raw<ReadonlyMap<Id, VoiceState>>(new Map())
    drafts = new Map<PlaceKey, string>()
    private readonly views = new Map<number, View>()
    private readonly waiting = new Map<number, Waiting>()
    private readonly listeners = new Map<string, Set<(d: Record<string, unknown>) => void>>()
    private readonly ends: AbortController = new AbortController()
    private wanted = new Set<Id>()
    private counter = 0

    constructor(private readonly worker: Worker) {
        const { signal } = this.ends
        worker.addEventListener('message', (event: MessageEvent<ToPage>) => this.heard(event.data), { signal })
        // An open socket is not believed when one returns to the page.
        const wake = (): void => this.tell({ t: 'wake', slept: false })
        document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && wake(), {
            signal,
        })
        document.addEventListener('resume', wake, { signal })
        window.addEventListener('pageshow', (event) => event.persisted && wake(), { signal })
        window.addEventListener('online', () => this.tell({ t: 'network', on: true }), { signal })
        window.addEventListener('offline', () => this.tell({ t: 'network', on: false }), { signal })
        if (!navigator.onLine) this.tell({ t: 'network', on: false })
    }

    tell(message: ToWorker): void {
        this.worker.postMessage(message)
    }

    call<T>(command: Command, signal?: AbortSignal): Promise<T> {
        const id = ++this.counter
        return new Promise<T>((resolve, reject) => {
            this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
            if (signal?.aborted) reject(signal.reason)
            signal?.addEventListener('abort', () => {
                this.tell({ t: 'abort', id })
                reject(signal.reason)
            })
            this.tell({ t: 'call', id, command })
        })
    }

    private heard(message: ToPage): void {
        switch (message.t) {
            case 'answer':
                this.waiting.get(message.id)?.resolve(message.value)
                this.waiting.delete(message.id)
                return
            case 'refused':
                this.waiting.get(message.id)?.reject(errorOf(message.error))
                this.waiting.delete(message.id)
                return
            case 'told':
                for (const heard of this.listeners.get(message.type) ?? []) heard(message.d)
                return
            case 'changes':
                if (message.state !== null) this.take(message.state)
                for (const [number, patch] of message.views) this.views.get(number)?.take(patch)
        }
    }

    private take(patch: StatePatch): void {
        if (patch.drafts !== undefined) {
            const typed = this.drafts
            this.drafts = new Map([...patch.drafts, ...typed])
        }
        if (patch.me !== undefined) this.me = patch.me
        if (patch.serverName !== undefined) this.serverName = patch.serverName
        if (patch.layout !== undefined) this.layout = patch.layout
        if (patch.roles !== undefined) this.roles = patch.roles
        if (patch.permissions !== undefined) this.permissions = patch.permissions
        if (patch.spaces !== undefined) this.spaces = patch.spaces
        if (patch.marks !== undefined) this.marks = patch.marks
        if (patch.dms !== undefined) this.dms = patch.dms
        if (patch.emoji !== undefined) this.emoji = patch.emoji
        if (patch.stickers !== undefined) this.stickers = patch.stickers
        if (patch.timeouts !== undefined) this.timeouts = patch.timeouts
        if (patch.isInterrupted !== undefined) this.isInterrupted = patch.isInterrupted
        if (patch.settings !== undefined) this.settings = patch.settings
        if (patch.presences !== undefined) this.present = patch.presences
        if (patch.threads !== undefined) this.knownThreads = patch.threads
        if (patch.followed !== undefined) this.followed = patch.followed
        if (patch.voice !== undefined) this.voices = patch.voice
        if (patch.members !== undefined)
            this.people = new Map([...this.people, ...patch.members.map((one): [Id, Member] => [one.user_id, one])])
        if (patch.connection !== undefined) this.connection = patch.connection
        if (patch.ready !== undefined) this.ready = patch.ready
    }

    permissionsIn(feedOrRoom: Id, kind?: 'feed' | 'room'): bigint {
        if (kind !== undefined) return this.spaces.get(`${kind}:${feedOrRoom}`) ?? 0n
        return this.spaces.get(`feed:${feedOrRoom}`) ?? this.spaces.get(`room:${feedOrRoom}`) ?? 0n
    }

    member(id: Id): Member | null {
        const known = this.people.get(id)
        if (known === undefined && id !== '0' && !this.wanted.has(id)) {
            this.wanted.add(id)
            this.tell({ t: 'want', members: [id] })
        }
        return known ?? null
    }

    presence(id: Id): Presence | null {
        return this.present.get(id) ?? null
    }

    threads(feed: Id): readonly Thread[] {
        return [...this.knownThreads.values()].filter((one) => one.parent_feed_id === feed)
    }

    thread(id: Id): Thread | null {
        return this.knownThreads.get(id) ?? null
    }

    learnThreads(threads: readonly Thread[]): void {
        this.tell({ t: 'threads', threads: [...threads] })
    }

    follows({ kind, id }: Place): boolean {
        return kind === 'thread' ? this.followed.threads.has(id) : kind === 'feed' && this.followed.feeds.has(id)
    }

    async follow({ kind, id }: Place & { kind: 'thread' | 'feed' }, on: boolean): Promise<void> {
        const parent = kind === 'thread' ? this.thread(id)?.parent_feed_id : id
        const path = kind === 'thread' ? `feeds/${parent}/threads/${id}` : `feeds/${id}`
        await this.request(`${path}/subscribers`, { method: on ? 'PUT' : 'DELETE' })
    }

    learnMembers(members: readonly Member[]): void {
        this.tell({ t: 'members', members: [...members] })
    }

    timeout(user: Id): number {
        return this.timeouts.get(user) ?? 0
    }

    readAll(place: Place): void {
        this.tell({ t: 'readAll', place: placeKey(place) })
    }

    attend(place: PlaceKey | null): void {
        this.tell({ t: 'attend', place })
    }

    private asksInfo = false

    get info(): ClientInfo | null {
        if (!this.asksInfo) {
            this.asksInfo = true
            this.request<ClientInfo>('client').then(
                (about) => (this.about = about),
                () => (this.asksInfo = false),
            )
        }
        return this.about
    }

    async changeSettings(change: (settings: Record<string, unknown>) => Record<string, unknown>): Promise<void> {
        const before = this.settings
        this.settings = { ...before, settings: change(before.settings) }
        try {
            this.settings = await putSettings(this, before, change)
        } catch (error) {
            this.settings = before
            throw error
        }
    }

    voice(room: Id): VoiceState | null {
        return this.voices.get(room) ?? null
    }

    mark(place: Place): Mark | null {
        const key = placeKey(place)
        const mark = this.marks.get(key)
        if (mark === undefined) return null
        const now = Date.now() / 1000
        const parent = place.kind === 'thread' ? this.thread(place.id)?.parent_feed_id : undefined
        const muted =
            isMuted(this.settings.settings, key, now) ||
            (parent !== undefined && isMuted(this.settings.settings, `feed:${parent}`, now))
        return muted ? { ...mark, unread: 0, mentions: 0 } : mark
    }

    open(place: Place): PlaceView {
        const number = ++this.counter
        const view = new View(place, number, this)
        this.views.set(number, view)
        this.tell({ t: 'open', view: number, place })
        return view
    }

    forgetView(number: number): void {
        if (this.views.delete(number)) this.tell({ t: 'close', view: number })
    }

    request<T>(path: string, options: RequestOptions = {}): Promise<T> {
        const { signal, body, ...rest } = options
        const wire: WireOptions = rest
        if (body instanceof FormData) wire.form = [...body.entries()]
        else if (body !== undefined) wire.body = body instanceof Blob ? body : ($state.snapshot(body) as unknown)
        return this.call<T>({ do: 'request', path, options: wire }, signal)
    }

    download(path: string): Promise<Blob> {
        return this.call<Blob>({ do: 'download', path })
    }

    leaveDm(dm: Id): Promise<void> {
        return this.call<void>({ do: 'leaveDm', dm })
    }

    on(type: string, heard: (d: Record<string, unknown>) => void): () => void {
        const all = this.listeners.get(type) ?? new Set()
        this.listeners.set(type, all.add(heard))
        return () => all.delete(heard)
    }

    say(type: string, d: unknown): void {
        this.tell({ t: 'say', type, d })
    }

    async logOut(): Promise<void> {
        try {
            await this.call<void>({ do: 'logOut' })
        } finally {
            this.close()
        }
    }

    close(): void {
        this.ends.abort()
        for (const one of this.waiting.values()) one.reject(new ApiError(0, 'NETWORK', 'closed'))
        this.waiting.clear()
        this.worker.terminate()
    }
}

const SETTINGS_TRIES = 3

async function putSettings(
    client: Client,
    known: Settings,
    change: (settings: Record<string, unknown>) => Record<string, unknown>,
): Promise<Settings> {
    for (let { revision, settings } = known, tries = 1; ; tries += 1) {
        const body = { revision, settings: change(settings) }
        try {
            return await client.request<Settings>('users/@me/settings', { method: 'PUT', body })
        } catch (error) {
            if (!(error instanceof ApiError) || error.code !== 'SETTINGS_CONFLICT' || tries === SETTINGS_TRIES)
                throw error
            ;({ revision, settings } = await client.request<Settings>('users/@me/settings'))
        }
    }
}

function errorOf(error: WireError): ApiError {
    return new ApiError(error.status, error.code, error.message, error.retryAfterMs, error.details)
}

function begin(server: URL, login: Login | null): Promise<Client | null> {
    const worker = startWorker()
    return new Promise((resolve, reject) => {
        worker.onerror = (event) => reject(new Error(event.message))
        const client = new Client(worker)
        worker.addEventListener('message', (event: MessageEvent<ToPage>) => {
            if (event.data.t !== 'started') return
            if (!event.data.found) client.close()
            resolve(event.data.found ? client : null)
        })
        worker.postMessage({ t: 'start', server: server.href, login } satisfies ToWorker)
    })
}

export const sync: Sync = {
    async start(server: URL, login: Login): Promise<SyncClient> {
        return (await begin(server, { ...login }))!
    },
    restore: (server: URL): Promise<SyncClient | null> => begin(server, null),
}
