/** Messages as the server writes them, in history and in events, made into those of the store. */
import type { Id } from '../core/ids'
import type { Attachment, Member, Message, Reaction } from './entities'

export interface WireMessage {
    msg_id: Id
    feed_id?: Id | null
    dm_id?: Id | null
    thread_id?: Id | null
    author_id: Id | null
    body?: string | null
    opaque_blob?: string | null
    timestamp: number
    reply_to?: Id | null
    mentions?: Id[]
    attachments?: Partial<Attachment>[]
    embed?: Record<string, unknown> | null
    embeds?: Record<string, unknown>[]
    edit_timestamp?: number | null
    pinned_at?: number | null
    webhook_name?: string
    nonce?: string
}

/** The answer of history with `include=authors,reactions,replies,links`. */
export interface WirePage {
    messages: WireMessage[]
    authors?: Member[]
    reactions?: { msg_id: Id; reactions: Reaction[] }[]
    replies?: WireMessage[]
    links?: { file_id: Id; url: string; width: number | null; height: number | null }[]
}

export const INCLUDE = 'authors,reactions,replies,links'

/** The people whom a text names; '0' is everyone. */
export function mentionsIn(body: string): Id[] {
    return [...new Set([...body.matchAll(/<@([0-9]{1,19})>/g)].map((match) => match[1]!))]
}

export function messageOf(wire: WireMessage, beside: Omit<WirePage, 'messages'> = {}): Message {
    const body = wire.body ?? ''
    const answered = beside.replies?.find((one) => one.msg_id === wire.reply_to)
    const embeds = [...(wire.embed ? [wire.embed] : []), ...(wire.embeds ?? [])]
    return {
        msg_id: wire.msg_id,
        thread_id: wire.thread_id ?? null,
        author_id: wire.author_id ?? '0',
        author_name: wire.webhook_name ?? null,
        body,
        timestamp: wire.timestamp,
        edit_timestamp: wire.edit_timestamp ?? null,
        reply_to: wire.reply_to ?? null,
        replied: answered === undefined ? null : repliedOf(answered),
        mentions: wire.mentions ?? mentionsIn(body),
        pinned: wire.pinned_at != null,
        attachments: (wire.attachments ?? []).map((one) => attachmentOf(one, beside)),
        reactions: beside.reactions?.find((one) => one.msg_id === wire.msg_id)?.reactions ?? [],
        embeds,
        encrypted: wire.opaque_blob != null,
    }
}

function repliedOf(wire: WireMessage): Message['replied'] {
    return { msg_id: wire.msg_id, author_id: wire.author_id ?? '0', body: wire.body ?? '' }
}

function attachmentOf(one: Partial<Attachment>, beside: Omit<WirePage, 'messages'>): Attachment {
    const link = beside.links?.find((other) => other.file_id === one.file_id)
    return {
        file_id: one.file_id ?? '0',
        name: one.name ?? '',
        mime: one.mime ?? 'application/octet-stream',
        size: Number(one.size ?? 0),
        width: link?.width ?? one.width ?? null,
        height: link?.height ?? one.height ?? null,
        alt: one.alt ?? null,
        url: link?.url ?? null,
    }
}

/** One more or one less of a reaction. One's own are told twice, by the click and by the event, and count once. */
export function reacted(reactions: readonly Reaction[], emoji: string, mine: boolean, on: boolean): Reaction[] {
    const known = reactions.find((one) => one.emoji === emoji)
    if (known === undefined) return on ? [...reactions, { emoji, count: 1, me: mine }] : [...reactions]
    if (mine && known.me === on) return [...reactions]
    const next = { emoji, count: known.count + (on ? 1 : -1), me: mine ? on : known.me }
    return reactions.map((one) => (one === known ? next : one)).filter((one) => one.count > 0)
}
