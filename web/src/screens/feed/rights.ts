/** What one may do in a place, by the masks of the server; to hide what would be refused, never relied on. */
import type { Id } from '../../core/ids'
import { holds } from '../../core/permissions'
import type { Message, Place, SyncClient } from '../../sync/contract'
import { NO_AUTHOR } from './rows'

export interface Rights {
    send: boolean
    /** Why one may not write, for the sentence that stands in place of the composer. */
    silent: '' | 'permission' | 'announcement' | 'locked'
    attach: boolean
    react: boolean
    pin: boolean
    thread: boolean
    everyone: boolean
    /** Cards, such as stickers and moving pictures. */
    embed: boolean
    moderate: boolean
}

/** `feed` is the feed of a thread; of a feed itself; null for a conversation. */
export function rightsIn(client: SyncClient, place: Place, feed: Id | null, locked: boolean): Rights {
    if (place.kind === 'dm' || feed === null) {
        const send = place.kind === 'dm'
        return {
            send,
            silent: send ? '' : 'permission',
            attach: send,
            react: send,
            pin: false,
            thread: false,
            everyone: send,
            embed: false,
            moderate: false,
        }
    }
    const mask = client.permissionsIn(feed)
    const announces = client.layout.feeds.find((one) => one.feed_id === feed)?.type === 'announcement'
    const may = holds(mask, place.kind === 'thread' ? 'SEND_IN_THREADS' : 'SEND_MESSAGES')
    const closed = announces && !holds(mask, 'MANAGE_SPACES')
    const silent = locked ? 'locked' : !may ? 'permission' : closed ? 'announcement' : ''
    return {
        send: silent === '',
        silent,
        attach: silent === '' && holds(mask, 'ATTACH_FILES'),
        react: holds(mask, 'ADD_REACTIONS'),
        pin: place.kind === 'feed' && holds(mask, 'MANAGE_MESSAGES'),
        thread: place.kind === 'feed' && holds(mask, 'CREATE_THREADS'),
        everyone: holds(mask, 'MENTION_EVERYONE'),
        embed: silent === '' && holds(mask, 'SEND_EMBEDS'),
        moderate: holds(mask, 'MANAGE_MESSAGES'),
    }
}

export type Action =
    'reply' | 'react' | 'edit' | 'copy' | 'link' | 'pin' | 'unpin' | 'thread' | 'unreadFrom' | 'report' | 'remove'

/** What is offered for a message, in this order. */
export function actionsFor(message: Message, rights: Rights, me: Id | null, place: Place): Action[] {
    const own = me !== null && message.author_id === me
    const offered: [Action, boolean][] = [
        ['reply', rights.send],
        ['react', rights.react],
        ['edit', own && rights.send],
        ['copy', message.body !== ''],
        ['thread', rights.thread],
        ['link', true],
        ['pin', rights.pin && !message.pinned],
        ['unpin', rights.pin && message.pinned],
        ['unreadFrom', place.kind !== 'thread'],
        ['report', me !== null && !own && message.author_id !== NO_AUTHOR],
        ['remove', own || rights.moderate],
    ]
    return offered.filter(([, allowed]) => allowed).map(([action]) => action)
}
