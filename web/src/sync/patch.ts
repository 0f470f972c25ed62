/** The parts of a state that changed, as they are told to the page. */
import type { Part, State } from '../store/state'
import type { StatePatch } from './wire'

type Shown = Exclude<Part, 'reload-layout' | 'reload-roles' | 'reload-settings' | 'members'>

const GIVES: { readonly [part in Shown]: (state: State) => StatePatch } = {
    server: ({ serverName }) => ({ serverName }),
    rights: ({ permissions, spaces }) => ({ permissions, spaces }),
    me: ({ me }) => ({ me }),
    layout: ({ layout }) => ({ layout }),
    roles: ({ roles }) => ({ roles }),
    marks: ({ marks }) => ({ marks }),
    dms: ({ dms }) => ({ dms }),
    emoji: ({ emoji }) => ({ emoji }),
    stickers: ({ stickers }) => ({ stickers }),
    timeouts: ({ timeouts }) => ({ timeouts }),
    interrupted: ({ isInterrupted }) => ({ isInterrupted }),
    settings: ({ settings }) => ({ settings }),
    presences: ({ presences }) => ({ presences }),
    threads: ({ threads }) => ({ threads }),
    followed: ({ followed }) => ({ followed }),
    voice: ({ voice }) => ({ voice }),
}

export const ALL_PARTS = Object.keys(GIVES) as Shown[]

export function statePatch(state: State, parts: Iterable<string>): StatePatch {
    return Object.assign({}, ...[...parts].map((part) => GIVES[part as Shown]?.(state))) as StatePatch
}
