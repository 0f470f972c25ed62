/**
 * What screens see of the synchronised state. `client.svelte.ts` implements it with runes, so that every property here is a
 * signal: reading it in a component subscribes to it. Screens import nothing else of `sync`.
 */
import type { RequestOptions } from '../api/http'
import type { Id } from '../core/ids'
import type { Layout, Mark, Member, Role } from '../store/entities'

/** Where messages stand. */
export type Place = { kind: 'feed' | 'thread' | 'dm'; id: Id }

export type Connection =
    | { state: 'connecting' | 'live' }
    | { state: 'offline'; since: number; retryAt: number | null }
    | { state: 'ended'; code: 'AUTH_EXPIRED' | 'BANNED' | 'KICKED' | 'VERSION'; detail: string }

export interface Reaction {
    emoji: string
    count: number
    me: boolean
}

export interface Attachment {
    file_id: Id
    name: string
    mime: string
    size: number
    width: number | null
    height: number | null
    alt: string | null
    url: string | null
}

/** A message of the server. */
export interface Message {
    msg_id: Id
    author_id: Id
    body: string
    timestamp: number
    edit_timestamp: number | null
    reply_to: Id | null
    mentions: Id[]
    pinned: boolean
    attachments: Attachment[]
    reactions: Reaction[]
}

/** A message that the server has not confirmed yet. */
export interface Pending {
    nonce: string
    body: string
    reply_to: Id | null
    created: number
    /** `asks`: it may have arrived or not, and too late to find out: send again, edit or delete. `refused`: `error` says why. */
    state: 'waiting' | 'sending' | 'asks' | 'refused'
    error: { code: string; message: string; retryAfterMs: number | null } | null
}

export type Row = { kind: 'message'; message: Message; highlighted?: boolean } | { kind: 'gap'; before: Id; after: Id }

/** One place as it is shown: a window of contiguous messages, oldest first, changed once a frame. */
export interface PlaceView {
    readonly place: Place
    readonly state: 'loading' | 'ready' | 'forbidden' | 'missing' | 'failed'
    readonly rows: readonly Row[]
    readonly pending: readonly Pending[]
    readonly hasOlder: boolean
    readonly hasNewer: boolean
    readonly mark: Mark | null
    readonly typing: readonly Id[]
    draft: string
    loadOlder(): Promise<void>
    loadNewer(): Promise<void>
    /** Shows the messages around an id, or the newest ones. */
    jump(to: Id | 'newest' | 'first-unread'): Promise<void>
    fillGap(row: Row): Promise<void>
    /** Stores the message in the outbox and returns at once; its row stands in `pending`. */
    send(body: string, options?: { reply_to?: Id; attachments?: Id[] }): void
    retry(nonce: string): void
    discard(nonce: string): void
    edit(id: Id, body: string): Promise<void>
    remove(id: Id): Promise<void>
    react(id: Id, emoji: string, on: boolean): Promise<void>
    pin(id: Id, on: boolean): Promise<void>
    /** The last message that was on screen long enough. */
    markRead(id: Id): void
    markUnreadFrom(id: Id): Promise<void>
    isTyping(): void
    close(): void
}

/** The whole state of one user at one server. */
export interface SyncClient {
    readonly connection: Connection
    /** Whether the snapshot, fresh or cached, is there. */
    readonly ready: boolean
    readonly me: Member | null
    readonly serverName: string
    readonly layout: Layout
    readonly roles: readonly Role[]
    readonly permissions: bigint
    permissionsIn(feedOrRoom: Id): bigint
    member(id: Id): Member | null
    mark(place: Place): Mark | null
    open(place: Place): PlaceView
    /** A request to REST with this login, for what is not synchronised. Throws `ApiError`. */
    request<T>(path: string, options?: RequestOptions): Promise<T>
    /** Ends the login here and at the server, and deletes what was stored. */
    logOut(): Promise<void>
    close(): void
}

/** What a login gave; `shared`: nothing is stored on this computer. */
export interface Login {
    token: string
    user_id: Id
    shared: boolean
}

/** Exported by `client.svelte.ts`. `restore` finds a stored login, or null. */
export interface Sync {
    start(server: URL, login: Login): Promise<SyncClient>
    restore(server: URL): Promise<SyncClient | null>
}
