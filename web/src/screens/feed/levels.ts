/** How loud a place is: its level, and until when it is muted. Both stand in the settings that the server reads for pushes. */
import { ApiError, type RequestOptions } from '../../api/http'
import { placeKey, type Place, type Settings } from '../../store/entities'

export type Level = 'all' | 'mentions' | 'nothing'
export const LEVELS: readonly Level[] = ['all', 'mentions', 'nothing']
/** Muted for ever: the year 2100. */
export const FOR_EVER_S = 4_102_444_800

export interface PlaceLevel {
    level?: Level
    muted_until?: number
}

interface Notifications {
    level?: Level
    push_text?: boolean
    places?: Record<string, PlaceLevel>
}

function notificationsOf(settings: Record<string, unknown>): Notifications {
    const value = settings.notifications
    return typeof value === 'object' && value !== null ? (value as Notifications) : {}
}

/** What was chosen for a place; an empty object where the general level holds. */
export function levelOf(settings: Record<string, unknown>, place: Place): PlaceLevel {
    return notificationsOf(settings).places?.[placeKey(place)] ?? {}
}

/** The settings with another choice for a place; null goes back to the general level. */
export function withLevel(
    settings: Record<string, unknown>,
    place: Place,
    choice: PlaceLevel | null,
): Record<string, unknown> {
    const notifications = notificationsOf(settings)
    const places = { ...notifications.places }
    if (choice === null) delete places[placeKey(place)]
    else places[placeKey(place)] = choice
    return { ...settings, notifications: { ...notifications, places } }
}

interface Asker {
    request<T>(path: string, options?: RequestOptions): Promise<T>
}

const TRIES = 3

/** Changes the settings of all devices; where another device was faster, the change is applied to what that one wrote. */
export async function changeSettings(
    asker: Asker,
    change: (settings: Record<string, unknown>) => Record<string, unknown>,
): Promise<void> {
    for (let tries = 1; ; tries += 1) {
        const { revision, settings } = await asker.request<Settings>('users/@me/settings')
        try {
            await asker.request('users/@me/settings', { method: 'PUT', body: { revision, settings: change(settings) } })
            return
        } catch (error) {
            if (!(error instanceof ApiError) || error.code !== 'SETTINGS_CONFLICT' || tries === TRIES) throw error
        }
    }
}
