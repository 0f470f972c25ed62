/** How people, roles and feeds are called here. */
import type { Inline } from '../../core/markdown/parse'
import type { Id } from '../../core/ids'
import type { Message, SyncClient } from '../../sync/contract'
import { feed as words } from '../../words/en/feed'
import { NO_AUTHOR } from './rows'

export function nameOf(client: SyncClient, id: Id): string {
    const member = client.member(id)
    return member?.nickname || member?.display_name || member?.username || words.unknown
}

export function authorOf(client: SyncClient, message: { author_id: Id; author_name?: string | null }): string {
    if (message.author_id === NO_AUTHOR) return message.author_name || words.automatic
    return nameOf(client, message.author_id)
}

/** The words of what is mentioned, for lines without nodes. */
export function mentionText(client: SyncClient): (node: Inline) => string {
    return (node) => {
        switch (node.kind) {
            case 'user':
                return `@${nameOf(client, node.id)}`
            case 'role':
                return `@${client.roles.find((role) => role.role_id === node.id)?.name ?? words.unknownRole}`
            case 'feed':
                return `#${client.layout.feeds.find((feed) => feed.feed_id === node.id)?.name ?? words.unknownFeed}`
            case 'everyone':
                return words.everyone
            case 'emoji':
                return `:${node.name}:`
            default:
                return ''
        }
    }
}

export type Authored = Pick<Message, 'author_id'> & { author_name?: string | null }
