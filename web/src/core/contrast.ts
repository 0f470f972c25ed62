/** Whether a colour can be read on the surfaces of both themes. */

/** Red, green and blue in one number, as the server keeps colours. */
export type Rgb = number

/** The card of the light theme and that of the dark one, as in tokens.css. */
export const SURFACES: Readonly<Record<'light' | 'dark', Rgb>> = { light: 0xffffff, dark: 0x1b1e21 }

export const ENOUGH = 4.5

function luminance(colour: Rgb): number {
    const part = (shift: number): number => {
        const value = ((colour >> shift) & 0xff) / 255
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    }
    return 0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
}

/** The contrast of WCAG between two colours, 1 to 21. */
export function contrast(one: Rgb, other: Rgb): number {
    const [low, high] = [luminance(one), luminance(other)].toSorted((a, b) => a - b) as [number, number]
    return (high + 0.05) / (low + 0.05)
}

/** The nearest colour that can be read on a surface, on the way to black or white. */
export function readable(colour: Rgb, surface: Rgb): Rgb {
    const towards = luminance(surface) > 0.2 ? 0 : 255
    for (let step = 0; step <= 20; step += 1) {
        const mix = (shift: number): number => {
            const value = (colour >> shift) & 0xff
            return Math.round(value + ((towards - value) * step) / 20) << shift
        }
        const mixed = mix(16) | mix(8) | mix(0)
        if (contrast(mixed, surface) >= ENOUGH) return mixed
    }
    return towards === 0 ? 0 : 0xffffff
}

export function hexOf(colour: Rgb): string {
    return `#${colour.toString(16).padStart(6, '0')}`
}

export function rgbOf(hex: string): Rgb {
    return Number.parseInt(hex.slice(1), 16)
}
