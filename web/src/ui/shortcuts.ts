/** Keys that work anywhere on the page; each has an equivalent on the screen. */

export interface Shortcut {
    key: string
    alt?: boolean
    shift?: boolean
    ctrl?: boolean
    /** Where it says no, the key does what it does without this. */
    when?: () => boolean
    run: () => void
}

/** Listens until the returned function is called. */
export function listen(shortcuts: readonly Shortcut[]): () => void {
    function take(event: KeyboardEvent): void {
        if (event.isComposing || event.defaultPrevented) return
        const found = shortcuts.find(
            (one) =>
                one.key === event.key &&
                (one.when?.() ?? true) &&
                (one.alt ?? false) === event.altKey &&
                (one.shift ?? false) === event.shiftKey &&
                (one.ctrl ?? false) === (event.ctrlKey || event.metaKey),
        )
        if (found === undefined) return
        event.preventDefault()
        found.run()
    }
    window.addEventListener('keydown', take)
    return () => window.removeEventListener('keydown', take)
}
