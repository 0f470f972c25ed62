/**
 * The language that words are shown in. English stands in the code of each screen; another language is one module with the words
 * of all screens, loaded before the first screen is shown.
 *
 * `spoken` makes the words of a screen follow the choice: reading one in a component subscribes to the language.
 */

export type LanguageCode = 'en' | 'de' | 'ar' | 'pseudo'

interface Language {
    code: LanguageCode
    /** What it calls itself. */
    name: string
    /** The tag for times, numbers and screen readers. */
    tag: string
    dir: 'ltr' | 'rtl'
    load: (() => Promise<{ words: Tables }>) | null
}

/** The words of each screen, by the name that it gave to `spoken`. */
export type Tables = Readonly<Record<string, object>>

const ALL: readonly Language[] = [
    { code: 'en', name: 'English', tag: 'en', dir: 'ltr', load: null },
    { code: 'de', name: 'Deutsch', tag: 'de', dir: 'ltr', load: () => import('./de') },
    { code: 'ar', name: 'العربية', tag: 'ar', dir: 'rtl', load: () => import('./ar') },
]

/** Words that are 40 % longer and easy to tell from those that were forgotten, for tests. */
const PSEUDO: Language = { code: 'pseudo', name: 'Pseudo', tag: 'en', dir: 'ltr', load: null }

/** What the settings offer. */
export const LANGUAGES: readonly Pick<Language, 'code' | 'name' | 'tag'>[] = ALL

const STORED = 'vox-language'

class Present {
    now = $state.raw<Language>(ALL[0]!)
    tables = $state.raw<Tables>({})
    lengthened = $state.raw<((value: unknown) => unknown) | null>(null)
}

const present = new Present()

/** The words of one screen in the present language. */
export function spoken<T extends object>(name: string, english: T): T {
    return new Proxy(english, {
        get(target, key) {
            const table = present.tables[name] as Record<string | symbol, unknown> | undefined
            const value = merged((target as Record<string | symbol, unknown>)[key], table?.[key])
            return present.lengthened === null ? value : present.lengthened(value)
        },
    })
}

/** A word of the language, else the English one; of a table each. */
function merged(english: unknown, other: unknown): unknown {
    const isTable = typeof english === 'object' && english !== null && !Array.isArray(english)
    return isTable && typeof other === 'object' ? { ...english, ...other } : (other ?? english)
}

/** The tag for times and numbers: the browser's own where it is of the same language, since it says how a region writes them. */
export function localeTag(): string {
    const { tag } = present.now
    const region = navigator.languages.find((one) => one === tag || one.startsWith(`${tag}-`))
    return region ?? tag
}

export function currentLanguage(): LanguageCode {
    return present.now.code
}

function stored(): string | null {
    try {
        return window.localStorage.getItem(STORED)
    } catch {
        return null
    }
}

/** What was chosen; `system` where nothing was. */
export function chosenLanguage(): LanguageCode | 'system' {
    const code = stored()
    return languageOf(code)?.code ?? 'system'
}

function languageOf(code: string | null): Language | undefined {
    return code === PSEUDO.code ? PSEUDO : ALL.find((one) => one.code === code)
}

function ofBrowser(): Language {
    for (const wanted of navigator.languages) {
        const found = ALL.find((one) => wanted === one.tag || wanted.startsWith(`${one.tag}-`))
        if (found !== undefined) return found
    }
    return ALL[0]!
}

async function use(language: Language): Promise<void> {
    const tables = language.load === null ? {} : (await language.load()).words
    const lengthened = language === PSEUDO ? (await import('./pseudo')).lengthened : null
    present.tables = tables
    present.lengthened = lengthened
    present.now = language
    document.documentElement.lang = language.tag
    document.documentElement.dir = language.dir
}

/** Begins with what was chosen, else with what the browser prefers; English where its words cannot be loaded. */
export async function startLanguage(): Promise<void> {
    await use(languageOf(stored()) ?? ofBrowser()).catch(() => use(ALL[0]!))
}

/** Changes the language at once, in this browser. Throws where its words cannot be loaded; all stays as it was then. */
export async function chooseLanguage(code: LanguageCode | 'system'): Promise<void> {
    await use(code === 'system' ? ofBrowser() : (languageOf(code) ?? ALL[0]!))
    try {
        if (code === 'system') window.localStorage.removeItem(STORED)
        else window.localStorage.setItem(STORED, code)
    } catch {
        // Without storage it holds until the page is left.
    }
}
