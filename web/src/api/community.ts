/** Routes of the community as a whole: its name and picture, its limits, its feeds, rooms and categories. */
import type { Id } from '../core/ids'
import type { Asker } from './threads'

export interface Community {
    name: string
    icon: string | null
    description: string | null
    member_count: number
}

export function readCommunity(asker: Asker): Promise<Community> {
    return asker.request<Community>('server')
}

export function changeCommunity(asker: Asker, change: { name?: string; description?: string }): Promise<Community> {
    return asker.request<Community>('server', { method: 'PATCH', body: change })
}

export function setIcon(asker: Asker, image: File): Promise<unknown> {
    const form = new FormData()
    form.append('image', image)
    return asker.request<unknown>('server/icon', { method: 'POST', body: form })
}

/** What a visitor is told: who may register, and the address of the picture. */
export function readPublic(asker: Asker): Promise<{ registration: 'open' | 'invite' | 'closed'; icon: string | null }> {
    return asker.request('client')
}

export type Limits = Record<string, number>

/** Numbers stay numbers here, whatever ids are. */
export async function readLimits(asker: Asker): Promise<Limits> {
    return numbers(await asker.request<Record<string, number | string>>('server/limits'))
}

export async function changeLimits(asker: Asker, limits: Limits): Promise<Limits> {
    const body = { limits }
    return numbers(await asker.request<Record<string, number | string>>('server/limits', { method: 'PATCH', body }))
}

function numbers(values: Record<string, number | string>): Limits {
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]))
}

export type SpaceKind = 'feed' | 'room'

export interface SpaceChange {
    name?: string
    topic?: string
    category_id?: Id
    position?: number
}

export function createSpace(
    asker: Asker,
    kind: SpaceKind,
    space: { name: string; type: string; category_id?: Id },
): Promise<{ feed_id?: Id; room_id?: Id }> {
    return asker.request(`${kind}s`, { method: 'POST', body: space })
}

export function changeSpace(asker: Asker, kind: SpaceKind, id: Id, change: SpaceChange): Promise<unknown> {
    return asker.request(`${kind}s/${id}`, { method: 'PATCH', body: change })
}

export function deleteSpace(asker: Asker, kind: SpaceKind, id: Id): Promise<void> {
    return asker.request<void>(`${kind}s/${id}`, { method: 'DELETE' })
}

export function createCategory(asker: Asker, name: string, position: number): Promise<unknown> {
    return asker.request('categories', { method: 'POST', body: { name, position } })
}

export function changeCategory(asker: Asker, id: Id, change: { name?: string; position?: number }): Promise<unknown> {
    return asker.request(`categories/${id}`, { method: 'PATCH', body: change })
}

export function deleteCategory(asker: Asker, id: Id): Promise<void> {
    return asker.request<void>(`categories/${id}`, { method: 'DELETE' })
}
