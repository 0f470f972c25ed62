/**
 * What screens see of the synchronised state. `client.svelte.ts` implements it with runes, so that every property here is a
 * signal: reading it in a component subscribes to it. Screens import nothing else of `sync`.
 */
import type { ClientInfo } from '../api/auth'
import type { RequestOptions } from '../api/http'
import type { Id } from '../core/ids'
import type { Failure } from '../protocol/outbox'
import type {
    Conversation,
    Emoji,
    Layout,
    Mark,
    Member,
    Place,
    PlaceKey,
    Presence,
    Role,
    Row,
    Settings,
    Sticker,
    Thread,
    VoiceState,
} from '../store/entities'

export type { Attachment, Message, Place, Reaction, Row } from '../store/entities'

export type Connection =
    | { state: 'connecting' | 'live' }
    | { state: 'offline'; since: number; retryAt: number | null }
    | { state: 'ended'; code: 'AUTH_EXPIRED' | 'BANNED' | 'KICKED' | 'VERSION'; detail: string }

/** A message that the server has not confirmed yet. */
export interface Pending {
    nonce: string
    body: string
    reply_to: Id | null
    attachments: Id[]
    created: number
    /** `asks`: it may have arrived or not, and too late to find out: send again, edit or delete. `refused`: `error` says why. */
    state: 'waiting' | 'sending' | 'asks' | 'refused'
    error: Failure | null
}

/** One place as it is shown: a window of contiguous messages, oldest first, changed once a frame. */
export interface PlaceView {
    readonly place: Place
    readonly state: 'loading' | 'ready' | 'forbidden' | 'missing' | 'failed'
    readonly rows: readonly Row[]
    readonly pending: readonly Pending[]
    readonly hasOlder: boolean
    readonly hasNewer: boolean
    /** How many known messages follow the window. */
    readonly newerCount: number
    readonly mark: Mark | null
    readonly typing: readonly Id[]
    draft: string
    /** Whether the reader is at the end. While not, what arrives pushes no row out of the window. */
    follow: boolean
    loadOlder(): Promise<void>
    loadNewer(): Promise<void>
    /** Shows the messages around an id, or the newest ones. */
    jump(to: Id | 'newest' | 'first-unread'): Promise<void>
    fillGap(row: Row): Promise<void>
    /** Stores the message in the outbox and returns at once; its row stands in `pending`. `mentions`: those in the text. */
    send(body: string, options?: { reply_to?: Id; attachments?: Id[]; mentions?: Id[]; embed?: string }): void
    retry(nonce: string): void
    discard(nonce: string): void
    edit(id: Id, body: string): Promise<void>
    remove(id: Id): Promise<void>
    react(id: Id, emoji: string, on: boolean): Promise<void>
    pin(id: Id, on: boolean): Promise<void>
    /** The last message that was on screen for a second. Does nothing while the page is hidden or without the focus. */
    markRead(id: Id): void
    /** This message and all after it are unread, until one leaves the place and returns. */
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
    readonly dms: readonly Conversation[]
    readonly emoji: readonly Emoji[]
    readonly stickers: readonly Sticker[]
    /** All that are known: the authors of what was shown, and those that were learned. */
    readonly people: ReadonlyMap<Id, Member>
    /** Who is online, as far as the gateway told. */
    readonly present: ReadonlyMap<Id, Presence>
    /** The server said that events are missing for now. */
    readonly isInterrupted: boolean
    /** What `GET /client` says; null until it was read, which the first use begins. */
    readonly info: ClientInfo | null
    readonly settings: Settings
    /** Writes changed settings; where another device was faster, the change is applied to what that one wrote. Throws `ApiError`. */
    changeSettings(change: (settings: Record<string, unknown>) => Record<string, unknown>): Promise<void>
    /** Makes people known that a list over REST gave; events keep them right from then on. */
    learnMembers(members: readonly Member[]): void
    /** Until when somebody may not write, in Unix seconds; 0 where they may. Told by events only. */
    timeout(user: Id): number
    permissionsIn(feedOrRoom: Id, kind?: 'feed' | 'room'): bigint
    member(id: Id): Member | null
    presence(id: Id): Presence | null
    /** Threads of a feed that are known; `request` reads the list, and `learnThreads` makes it known. */
    threads(feed: Id): readonly Thread[]
    thread(id: Id): Thread | null
    learnThreads(threads: readonly Thread[]): void
    /** Whether one follows a feed or a thread; one is told of its messages then. */
    follows(place: Place): boolean
    /** Throws `ApiError`. */
    follow(place: Place & { kind: 'thread' | 'feed' }, on: boolean): Promise<void>
    voice(room: Id): VoiceState | null
    /** Muted places count nothing. */
    mark(place: Place): Mark | null
    /** Which place the user looks at in this tab; null where none. No tab shows notices of it. */
    attend(place: PlaceKey | null): void
    /** What is there in a place counts as read, on all devices. */
    readAll(place: Place): void
    open(place: Place): PlaceView
    /** A request to REST with this login, for what is not synchronised. Throws `ApiError`. */
    request<T>(path: string, options?: RequestOptions): Promise<T>
    /** A file that needs the login; `path` begins behind `/api/v1/`. Throws `ApiError`. */
    download(path: string): Promise<Blob>
    /** Leaves a group; the server tells the others alone. Throws `ApiError`. */
    leaveDm(dm: Id): Promise<void>
    /** Calls back for each event of that type that changes no state (`TOLD`); returns how to stop it. */
    on(type: string, heard: (d: Record<string, unknown>) => void): () => void
    /** Sends a frame over the gateway; lost where there is no connection. */
    say(type: string, d: unknown): void
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
