/** Making the spaces of a community. */
import type { Id } from '../core/ids'
import type { Group } from '../core/layouts'
import { ApiError, type RequestOptions } from './http'

export type Request = <T>(path: string, options?: RequestOptions) => Promise<T>

const LONGEST_WAIT_MS = 10_000
const TRIES = 8

/** Makes the spaces of a layout in order, waiting where the server asks for it; answers the first feed's id. */
export async function makeLayout(request: Request, groups: readonly Group[]): Promise<Id | null> {
    let first: Id | null = null
    let position = 0
    for (const group of groups) {
        let category_id: Id | undefined
        if (group.category !== null) {
            const body = { name: group.category, position: position++ }
            category_id = (await patiently(() => request<{ category_id: Id }>('categories', { method: 'POST', body })))
                .category_id
        }
        const inside = category_id === undefined ? {} : { category_id }
        for (const { name, topic, type } of group.feeds) {
            const body = { name, type: type ?? 'text', ...inside }
            const { feed_id } = await patiently(() => request<{ feed_id: Id }>('feeds', { method: 'POST', body }))
            first ??= feed_id
            if (topic) await patiently(() => request(`feeds/${feed_id}`, { method: 'PATCH', body: { topic } }))
        }
        for (const name of group.rooms) {
            await patiently(() => request('rooms', { method: 'POST', body: { name, type: 'voice', ...inside } }))
        }
    }
    return first
}

/** Repeats a request that met a rate limit, when the server says that it may come again. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
        try {
            return await work()
        } catch (error) {
            if (!(error instanceof ApiError) || error.status !== 429 || tries === TRIES) throw error
            await new Promise((resolve) => setTimeout(resolve, Math.min(error.retryAfterMs ?? 1000, LONGEST_WAIT_MS)))
        }
    }
}

/** Makes an invite that works for a week; answers its code. */
export async function makeInvite(request: Request): Promise<string> {
    const body = { max_age: 7 * 24 * 3600 }
    return (await patiently(() => request<{ code: string }>('invites', { method: 'POST', body }))).code
}
