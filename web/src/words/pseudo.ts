/** Words as a longer language has them: two fifths longer, with accents, in brackets, so that what is cut or was forgotten shows. */

const ACCENTS: Readonly<Record<string, string>> = {
    a: 'á',
    e: 'ë',
    i: 'ï',
    o: 'ö',
    u: 'ü',
    c: 'ç',
    n: 'ñ',
    A: 'Å',
    E: 'É',
    O: 'Ø',
}
const MORE = 0.4

function longer(text: string): string {
    if (text === '') return text
    const accented = [...text].map((letter) => ACCENTS[letter] ?? letter).join('')
    const added = Math.max(1, Math.ceil(text.length * MORE) - 2)
    return `[${accented}${'·'.repeat(added)}]`
}

/** A word or a table of words, made longer; what makes words of numbers and names makes longer ones. */
export function lengthened(value: unknown): unknown {
    if (typeof value === 'string') return longer(value)
    if (typeof value === 'function')
        return (...given: unknown[]): unknown => lengthened((value as (...all: unknown[]) => unknown)(...given))
    if (Array.isArray(value)) return value.map(lengthened)
    if (typeof value === 'object' && value !== null)
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, lengthened(inner)]))
    return value
}
