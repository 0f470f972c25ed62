/** Light, dark or as the system says; the choice is this browser's and nobody's secret. */
export type Theme = 'system' | 'light' | 'dark'

const KEY = 'vox-theme'

export function storedTheme(): Theme {
    try {
        const value = window.localStorage.getItem(KEY)
        return value === 'light' || value === 'dark' ? value : 'system'
    } catch {
        return 'system'
    }
}

export function useTheme(theme: Theme): void {
    if (theme === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme
    try {
        window.localStorage.setItem(KEY, theme)
    } catch {
        // Where the browser stores nothing the choice lasts as long as the page.
    }
}
