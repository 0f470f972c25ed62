/** A stand-in without a worker: the login is stored, layout and newest page come over REST, and sending waits for the answer. */
import { Http, type RequestOptions } from '../api/http'
import type { Id } from '../core/ids'
import type { Layout, Mark, Member, Role } from '../store/entities'
import type { Connection, Login, Message, Pending, Place, PlaceView, Row, Sync, SyncClient } from './contract'

const KEY = 'vox-stand-in'

class View implements PlaceView {
    state = $state<PlaceView['state']>('loading')
    rows = $state.raw<readonly Row[]>([])
    pending = $state.raw<readonly Pending[]>([])
    draft = $state('')
    readonly hasOlder = false
    readonly hasNewer = false
    readonly mark = null
    readonly typing = []

    constructor(
        readonly place: Place,
        private readonly http: Http,
        private readonly people: Map<Id, Member>,
    ) {
        void this.load()
    }

    private async load(): Promise<void> {
        const page = await this.http.request<{ messages: Message[]; authors?: Member[] }>(
            `feeds/${this.place.id}/messages`,
            { query: { include: 'authors' } },
        )
        for (const author of page.authors ?? []) this.people.set(author.user_id, author)
        this.rows = page.messages.reverse().map((message) => ({ kind: 'message', message }))
        this.state = 'ready'
    }

    send(body: string): void {
        void this.http
            .request(`feeds/${this.place.id}/messages`, { method: 'POST', body: { body, nonce: crypto.randomUUID() } })
            .then(() => this.load())
    }

    async loadOlder(): Promise<void> {}
    async loadNewer(): Promise<void> {}
    async jump(): Promise<void> {}
    async fillGap(): Promise<void> {}
    retry(): void {}
    discard(): void {}
    async edit(): Promise<void> {}
    async remove(): Promise<void> {}
    async react(): Promise<void> {}
    async pin(): Promise<void> {}
    markRead(): void {}
    async markUnreadFrom(): Promise<void> {}
    isTyping(): void {}
    close(): void {}
}

class StandIn implements SyncClient {
    connection = $state.raw<Connection>({ state: 'connecting' })
    ready = $state(false)
    me = $state.raw<Member | null>(null)
    serverName = $state('')
    layout = $state.raw<Layout>({ categories: [], feeds: [], rooms: [] })
    roles = $state.raw<readonly Role[]>([])
    permissions = $state.raw(0n)
    private readonly people = new Map<Id, Member>()

    constructor(private readonly http: Http) {
        void this.load()
    }

    private async load(): Promise<void> {
        this.layout = await this.http.request<Layout>('server/layout')
        this.me = await this.http.request<Member>('users/@me')
        this.serverName = (await this.http.request<{ name: string }>('server')).name
        this.connection = { state: 'live' }
        this.ready = true
    }

    permissionsIn(): bigint {
        return this.permissions
    }

    member(id: Id): Member | null {
        return this.people.get(id) ?? null
    }

    mark(): Mark | null {
        return null
    }

    open(place: Place): PlaceView {
        return new View(place, this.http, this.people)
    }

    async request<T>(path: string, options: RequestOptions = {}): Promise<T> {
        const answer = await this.http.request<T>(path, options)
        if (options.method) void this.load()
        return answer
    }

    async logOut(): Promise<void> {
        window.sessionStorage.removeItem(KEY)
        await this.http.request('auth/logout', { method: 'POST' })
    }

    close(): void {}
}

export const sync: Sync = {
    async start(server: URL, login: Login) {
        if (!login.shared) window.sessionStorage.setItem(KEY, login.token)
        return new StandIn(new Http(server, login.token))
    },
    async restore(server: URL) {
        const token = window.sessionStorage.getItem(KEY)
        return token === null ? null : new StandIn(new Http(server, token))
    },
}
