/** What stands in the panel beside the place: one thing at a time, shown by the frame, opened by any screen. */
import { tick } from 'svelte'

import type { Id } from '../core/ids'

export type PanelContent =
    | { kind: 'thread'; thread: Id; message: Id | null }
    | { kind: 'threads'; feed: Id }
    | { kind: 'pins'; feed: Id }
    | { kind: 'search'; feed: Id | null; dm: Id | null }
    | { kind: 'members'; feed: Id | null }

class Panel {
    now = $state.raw<PanelContent | null>(null)
    private opener: HTMLElement | null = null

    /** Shows something; where the same kind is shown already, its content changes. */
    open(content: PanelContent): void {
        if (this.now === null && document.activeElement instanceof HTMLElement) this.opener = document.activeElement
        this.now = content
    }

    /** What a button in a header does: shows, or closes what it showed. */
    toggle(content: PanelContent): void {
        if (this.now?.kind === content.kind) this.close()
        else this.open(content)
    }

    /** Closes the panel; the focus goes back to what opened it, or to the composer, unless it went elsewhere already. */
    close(focus = true): void {
        const { opener } = this
        this.now = null
        this.opener = null
        if (!focus) return
        void tick().then(() => {
            if (opener?.isConnected) opener.focus()
            else document.querySelector<HTMLElement>('main textarea, main')?.focus()
        })
    }
}

export const panel = new Panel()
