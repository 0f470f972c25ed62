/** Opens the voice settings over whatever is shown; they stay while the frame changes its width below them. */
import { mount, unmount } from 'svelte'

let isOpen = false

export async function openSettings(): Promise<void> {
    if (isOpen) return
    isOpen = true
    try {
        const { default: SettingsDialog } = await import('./SettingsDialog.svelte')
        const shown = mount(SettingsDialog, { target: document.body, props: { onclose: close } })
        // A link in them leads away from them.
        window.addEventListener('hashchange', close)

        function close(): void {
            if (!isOpen) return
            isOpen = false
            window.removeEventListener('hashchange', close)
            void unmount(shown)
        }
    } catch {
        // The code could not be loaded: another click tries again.
        isOpen = false
    }
}
