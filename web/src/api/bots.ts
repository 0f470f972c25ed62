/** Routes of bots. */
import type { Id } from '../core/ids'
import type { Asker } from './threads'

export interface Bot {
    user_id: Id
    username: string
    display_name: string | null
    owner_id: Id | null
    disabled: boolean
}

export interface NewBot extends Bot {
    /** Both are shown once. */
    token: string
    signing_secret: string
}

export function readBots(asker: Asker): Promise<Bot[]> {
    return asker.request<{ items: Bot[] }>('bots').then(({ items }) => items)
}

export function createBot(
    asker: Asker,
    bot: { username: string; display_name?: string; interaction_url?: string },
): Promise<NewBot> {
    return asker.request<NewBot>('bots', { method: 'POST', body: bot })
}

export function changeBot(asker: Asker, id: Id, change: { disabled: boolean }): Promise<Bot> {
    return asker.request<Bot>(`bots/${id}`, { method: 'PATCH', body: change })
}

export function renewToken(asker: Asker, id: Id): Promise<string> {
    return asker.request<{ token: string }>(`bots/${id}/token`, { method: 'POST' }).then(({ token }) => token)
}

export function deleteBot(asker: Asker, id: Id): Promise<void> {
    return asker.request<void>(`bots/${id}`, { method: 'DELETE' })
}
