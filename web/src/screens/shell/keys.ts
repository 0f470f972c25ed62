/** The keys of the frame, and what they do. */
import type { SyncClient } from '../../sync/contract'
import { announce } from '../../ui/announcer'
import { location } from '../../ui/location.svelte'
import { panel } from '../../ui/panel.svelte'
import { listen } from '../../ui/shortcuts'
import { shell } from '../../words/en/shell'
import { conversations, feedsInOrder, placeOf } from './places'

/** Goes to the next place in a direction, of all or of those with something new. */
function step(client: SyncClient, by: 1 | -1, unreadOnly: boolean): void {
    const here = placeOf(location.route)
    const all = here?.kind === 'dm' ? conversations(client) : feedsInOrder(client)
    const at = all.findIndex((one) => one.place?.id === here?.id)
    for (let tried = 1; tried <= all.length; tried += 1) {
        const next = all.at((at + by * tried) % all.length)
        if (next?.place == null) return
        if (unreadOnly && (client.mark(next.place)?.unread ?? 0) === 0) continue
        location.go(next.route)
        return
    }
}

/** The focus goes to the next region of the page: places, content, panel. */
function nextRegion(): void {
    const regions = [...document.querySelectorAll<HTMLElement>('[data-region]')].filter(
        (one) => one.offsetParent !== null,
    )
    const at = regions.findIndex((one) => one.contains(document.activeElement))
    regions[(at + 1) % regions.length]?.focus()
}

/** Whether Escape closes nothing. */
function isFree(): boolean {
    return document.querySelector('dialog[open], :popover-open') === null
}

function markRead(client: SyncClient): void {
    const place = placeOf(location.route)
    if (place === null) return
    client.readAll(place)
    announce(shell.marked)
}

/** Listens until the returned function is called. */
export function frameKeys(client: SyncClient, open: (dialog: 'switcher' | 'inbox' | 'keys') => void): () => void {
    return listen([
        { key: 'k', ctrl: true, run: () => open('switcher') },
        { key: 'i', ctrl: true, run: () => open('inbox') },
        { key: '/', ctrl: true, run: () => open('keys') },
        { key: 'F', ctrl: true, shift: true, run: () => panel.open({ kind: 'search', feed: null, dm: null }) },
        { key: 'F6', run: nextRegion },
        { key: 'Escape', when: isFree, run: () => markRead(client) },
        { key: 'ArrowUp', alt: true, run: () => step(client, -1, false) },
        { key: 'ArrowDown', alt: true, run: () => step(client, 1, false) },
        { key: 'ArrowUp', alt: true, shift: true, run: () => step(client, -1, true) },
        { key: 'ArrowDown', alt: true, shift: true, run: () => step(client, 1, true) },
    ])
}
