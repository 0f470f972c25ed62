/** One place that speaks to screen readers: short, and never faster than it can be followed. */

const EVERY_MS = 1500
const LONGEST = 120

let region: HTMLElement | null = null
let waiting: string[] = []
let timer: ReturnType<typeof setTimeout> | null = null

/** Speaks a text when the reader is free; of several that wait together only their number past the first is said. */
export function announce(text: string): void {
    waiting.push(text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text)
    if (timer === null) speak()
}

function speak(): void {
    if (waiting.length === 0) {
        timer = null
        return
    }
    const [first = '', ...more] = waiting
    waiting = []
    found().textContent = more.length === 0 ? first : `${first} (+${more.length})`
    timer = setTimeout(speak, EVERY_MS)
}

function found(): HTMLElement {
    if (region === null) {
        region = document.createElement('div')
        region.className = 'visually-hidden'
        region.setAttribute('role', 'status')
        document.body.append(region)
    }
    return region
}
