/** Addresses in texts: only http, https and mailto lead anywhere. */

const LONGEST = 2048
const SCHEME = /https?:\/\/[^\s<>"`]/iy
const BEYOND = /[\s<>"`]/

export interface Found {
    /** Null where it looks like an address and is none. */
    href: string | null
    text: string
    /** Where the address ends in the text. */
    end: number
}

/** The web address that begins at a position. Punctuation at its end belongs to the sentence. */
export function addressAt(text: string, at: number): Found | null {
    SCHEME.lastIndex = at
    if (!SCHEME.test(text)) return null
    let end = at
    const last = Math.min(text.length, at + LONGEST)
    let open = 0
    while (end < last && !BEYOND.test(text[end]!) && !text.startsWith('||', end)) {
        if (text[end] === '(') open += 1
        if (text[end] === ')' && open-- === 0) break
        end += 1
    }
    while (end > at && /[.,:;!?'*_~|\]]/.test(text[end - 1]!)) end -= 1
    const shown = text.slice(at, end)
    return { href: safeAddress(shown), text: shown, end }
}

/** The target behind `](`; `at` is behind the bracket. */
export function linkTarget(text: string, at: number): { href: string; end: number } | null {
    let depth = 0
    const last = Math.min(text.length, at + LONGEST)
    for (let end = at; end < last; end += 1) {
        const letter = text[end]!
        if (/[\s<>[]/.test(letter)) return null
        if (letter === '(') depth += 1
        if (letter === ')' && depth-- === 0) {
            const href = safeAddress(text.slice(at, end))
            return href === null ? null : { href, end: end + 1 }
        }
    }
    return null
}

/** The address in full, or null where following it could do anything else than open a page or a letter. */
export function safeAddress(text: string): string | null {
    if (!/^(https?:\/\/|mailto:)/i.test(text)) return null
    try {
        const url = new URL(text)
        return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null
    } catch {
        return null
    }
}

/** Whether a link's text looks like another address than the one it leads to: its reader is asked first. */
export function misleads(text: string, href: string): boolean {
    const named =
        /^\s*(?:[a-z][a-z0-9+.-]*:\/\/)?(?:[^\s/@]+@)?((?:[\p{L}\p{N}-]+\.)+[\p{L}]{2,})(?=[/:?#\s]|$)/iu.exec(text)
    if (named === null) return false
    try {
        const host = new URL(href).hostname
        const meant = new URL(`https://${named[1]}`).hostname
        return host.replace(/^www\./, '') !== meant.replace(/^www\./, '')
    } catch {
        return true
    }
}
