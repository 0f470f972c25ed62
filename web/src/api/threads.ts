/** Routes of threads and of the posts of a forum. */
import type { Id } from '../core/ids'
import type { RequestOptions } from './http'

/** What can ask the server with the login of the one who is logged in. */
export interface Asker {
    request<T>(path: string, options?: RequestOptions): Promise<T>
}

/** A thread as the server lists it; the last three stand in a list by activity alone. */
export interface ListedThread {
    thread_id: Id
    parent_feed_id: Id
    parent_msg_id: Id | null
    name: string
    archived: boolean
    locked: boolean
    last_msg_id?: Id | null
    messages?: number
    author_id?: Id | null
}

export interface ThreadPage {
    items: ListedThread[]
    cursor: string | null
}

export const PAGE_OF_THREADS = 50

/** The threads of a feed by their last message, the latest first; `before` is the cursor of the page before. */
export function readThreads(
    asker: Asker,
    feed: Id,
    options: { before?: string; archived?: boolean; signal?: AbortSignal } = {},
): Promise<ThreadPage> {
    const { before, archived, signal } = options
    return asker.request<ThreadPage>(`feeds/${feed}/threads`, {
        query: { order: 'activity', limit: PAGE_OF_THREADS, before, archived: archived ? 'true' : undefined },
        ...(signal ? { signal } : {}),
    })
}

export function createThread(asker: Asker, feed: Id, parent: Id, name: string): Promise<ListedThread> {
    return asker.request<ListedThread>(`feeds/${feed}/threads`, {
        method: 'POST',
        body: { parent_msg_id: parent, name },
    })
}

export function changeThread(
    asker: Asker,
    thread: Id,
    change: { name?: string; archived?: boolean; locked?: boolean },
): Promise<ListedThread> {
    return asker.request<ListedThread>(`threads/${thread}`, { method: 'PATCH', body: change })
}

export function deleteThread(asker: Asker, thread: Id): Promise<void> {
    return asker.request<void>(`threads/${thread}`, { method: 'DELETE' })
}

export interface Post {
    title: string
    text: string
    attachments: Id[]
    nonce: string
}

/** Writes a post into a forum; its thread is named by the title. The id of the message that opens it. */
export async function createPost(asker: Asker, forum: Id, post: Post): Promise<Id> {
    const { title, text, attachments, nonce } = post
    const answer = await asker.request<{ msg_id: Id }>(`feeds/${forum}/messages`, {
        method: 'POST',
        body: { body: text, thread_name: title, attachments, nonce },
    })
    return answer.msg_id
}
