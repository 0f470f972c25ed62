/** Size of text, contrast and spacing, as chosen in this browser; all lengths of the client follow the size of the text. */

export interface Appearance {
    /** In CSS pixels, from 12 to 24; null: as the browser is set. */
    text: number | null
    contrast: boolean
    compact: boolean
}

export const SMALLEST_TEXT = 12
export const LARGEST_TEXT = 24
const KEY = 'vox-appearance'
const DEFAULT: Appearance = { text: null, contrast: false, compact: false }

export function storedAppearance(): Appearance {
    try {
        const stored = JSON.parse(window.localStorage.getItem(KEY) ?? '{}') as Partial<
            Record<keyof Appearance, unknown>
        >
        const { text, contrast, compact } = stored
        const isSize = typeof text === 'number' && text >= SMALLEST_TEXT && text <= LARGEST_TEXT
        return { text: isSize ? text : null, contrast: contrast === true, compact: compact === true }
    } catch {
        return DEFAULT
    }
}

/** Shows it at once, and keeps it where the browser stores anything. */
export function useAppearance(appearance: Appearance): void {
    showAppearance(appearance)
    try {
        window.localStorage.setItem(KEY, JSON.stringify(appearance))
    } catch {
        // It holds until the page is left.
    }
}

export function showAppearance({ text, contrast, compact }: Appearance): void {
    const { style, dataset } = document.documentElement
    style.fontSize = text === null ? '' : `${text}px`
    if (contrast) dataset.contrast = 'high'
    else delete dataset.contrast
    if (compact) dataset.density = 'compact'
    else delete dataset.density
}
