/** What a page and its worker say to each other. */
import type { RequestOptions } from '../api/http'
import type { Id } from '../core/ids'
import type {
    Conversation,
    Emoji,
    Layout,
    Mark,
    Member,
    Message,
    Place,
    PlaceKey,
    Presence,
    Role,
    Settings,
    Sticker,
    Thread,
    VoiceState,
} from '../store/entities'
import type { RowKey } from '../store/window'
import type { Connection, Login, Pending, PlaceView } from './contract'

/** `FormData` and `AbortSignal` cannot be handed over: the first goes as its fields, the second as a message. */
export type WireOptions = Omit<RequestOptions, 'signal' | 'body'> & { body?: unknown; form?: [string, string | File][] }

export type Command =
    | { do: 'loadOlder' | 'loadNewer'; view: number }
    | { do: 'jump'; view: number; to: Id | 'newest' | 'first-unread' }
    | { do: 'fillGap'; view: number; before: Id; after: Id }
    | { do: 'edit'; view: number; id: Id; body: string }
    | { do: 'remove'; view: number; id: Id }
    | { do: 'react'; view: number; id: Id; emoji: string; on: boolean }
    | { do: 'pin'; view: number; id: Id; on: boolean }
    | { do: 'markUnreadFrom'; view: number; id: Id }
    | { do: 'request'; path: string; options: WireOptions }
    | { do: 'download'; path: string }
    | { do: 'leaveDm'; dm: Id }
    | { do: 'logOut' }

export type ToWorker =
    | { t: 'start'; server: string; login: Login | null }
    | { t: 'call'; id: number; command: Command }
    | { t: 'abort'; id: number }
    | { t: 'open'; view: number; place: Place }
    | { t: 'close'; view: number }
    | { t: 'follow'; view: number; on: boolean }
    | { t: 'draft'; place: PlaceKey; text: string }
    | {
          t: 'send'
          place: PlaceKey
          nonce: string
          body: string
          reply_to: Id | null
          attachments: Id[]
          mentions: Id[]
          embed?: string
      }
    | { t: 'retry'; nonce: string }
    | { t: 'discard'; nonce: string }
    | { t: 'markRead'; view: number; id: Id }
    | { t: 'attend'; place: PlaceKey | null }
    | { t: 'readAll'; place: PlaceKey }
    | { t: 'typing'; place: PlaceKey }
    | { t: 'members'; members: Member[] }
    | { t: 'want'; members: Id[] }
    | { t: 'threads'; threads: Thread[] }
    | { t: 'say'; type: string; d: unknown }
    | { t: 'wake'; slept: boolean }
    | { t: 'network'; on: boolean }

/** Parts of the state that changed; of `members` those that changed. */
export interface StatePatch {
    ready?: boolean
    connection?: Connection
    me?: Member | null
    serverName?: string
    layout?: Layout
    roles?: Role[]
    permissions?: bigint
    spaces?: Map<string, bigint>
    marks?: Map<PlaceKey, Mark>
    dms?: Conversation[]
    emoji?: Emoji[]
    stickers?: Sticker[]
    timeouts?: Map<Id, number>
    isInterrupted?: boolean
    settings?: Settings
    presences?: Map<Id, Presence>
    threads?: Map<Id, Thread>
    followed?: { feeds: Set<Id>; threads: Set<Id> }
    voice?: Map<Id, VoiceState>
    members?: Member[]
    drafts?: Map<PlaceKey, string>
}

export interface ViewPatch {
    state?: PlaceView['state']
    /** The rows there are now, and those messages that the page does not have as they are. */
    rows?: RowKey[]
    messages?: Message[]
    highlighted?: Id | null
    hasOlder?: boolean
    hasNewer?: boolean
    newerCount?: number
    pending?: Pending[]
    typing?: Id[]
}

export interface WireError {
    status: number
    code: string
    message: string
    retryAfterMs: number | null
    details: Record<string, unknown>
}

export type ToPage =
    | { t: 'told'; type: string; d: Record<string, unknown> }
    | { t: 'started'; found: boolean }
    | { t: 'answer'; id: number; value: unknown }
    | { t: 'refused'; id: number; error: WireError }
    | { t: 'changes'; state: StatePatch | null; views: [number, ViewPatch][] }
