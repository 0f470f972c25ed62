/**
 * Where screens of other folders stand. Each is a lazy chunk, found when the client is built: what is not there is in no menu
 * and at no address. A screen's default export is its component.
 */
import type { Component } from 'svelte'

export type Screen = Component<Record<string, unknown>>
type Load = () => Promise<{ default: Screen }>

const FOUND = import.meta.glob<{ default: Screen }>([
    '../dms/Dm.svelte',
    '../dms/DmList.svelte',
    '../friends/Friends.svelte',
    '../settings/Settings.svelte',
    '../server/Server.svelte',
    '../server/ViewBanner.svelte',
    '../members/MemberPanel.svelte',
    '../members/CardHost.svelte',
    '../talk/Talk.svelte',
    '../talk/Agents.svelte',
    '../operate/Operate.svelte',
    '../doctor/Doctor.svelte',
])

/** How a screen is loaded, by folder and name as in `dms/Dm`; null where there is none. */
export function screen(name: string): Load | null {
    return FOUND[`../${name}.svelte`] ?? null
}
