/** Holds the microphone open while a key or a button of the mouse is held; the page must have the focus. */

interface Options {
    /** `KeyboardEvent.code`, or `Mouse3` and so on. */
    key: () => string
    releaseMs: () => number
    changed: (held: boolean) => void
}

/** Keys that write nothing, and therefore talk in text fields too. */
const SILENT = /^(F[0-9]+|Control|Alt|Shift|Meta|Pause|ScrollLock|Insert|Mouse)/

export class PushToTalk {
    private isHeld = false
    private timer: ReturnType<typeof setTimeout> | null = null
    private readonly ends = new AbortController()

    constructor(
        page: EventTarget,
        private readonly options: Options,
    ) {
        const { signal } = this.ends
        const on = (type: string, heard: (event: Event) => void): void =>
            page.addEventListener(type, heard, { signal, capture: true })
        on('keydown', (event) => this.down(event, (event as KeyboardEvent).code))
        on('keyup', (event) => this.up((event as KeyboardEvent).code))
        on('mousedown', (event) => this.down(event, buttonOf(event)))
        on('mouseup', (event) => this.up(buttonOf(event)))
        // Without the focus the key's release is never heard.
        on('blur', (event) => event.target === page && this.set(false))
    }

    /** For a button on the screen. */
    set(held: boolean, afterMs = 0): void {
        if (this.timer !== null) clearTimeout(this.timer)
        this.timer = null
        if (!held && afterMs > 0) {
            this.timer = setTimeout(() => this.set(false), afterMs)
            return
        }
        if (held === this.isHeld) return
        this.isHeld = held
        this.options.changed(held)
    }

    close(): void {
        this.set(false)
        this.ends.abort()
    }

    private down(event: Event, key: string): void {
        const wanted = this.options.key()
        if (key !== wanted || (!SILENT.test(key) && isWriting(event.target))) return
        if (!SILENT.test(key)) event.preventDefault()
        this.set(true)
    }

    private up(key: string): void {
        if (key === this.options.key() && this.isHeld) this.set(false, this.options.releaseMs())
    }
}

/** The middle button and those at the sides; the main two are for clicking. */
export function buttonOf(event: Event): string {
    const { button } = event as MouseEvent
    return button === 1 || button > 2 ? `Mouse${button}` : ''
}

function isWriting(target: EventTarget | null): boolean {
    const { tagName, isContentEditable } = (target ?? {}) as Partial<HTMLElement>
    return isContentEditable === true || tagName === 'INPUT' || tagName === 'TEXTAREA' || tagName === 'SELECT'
}
