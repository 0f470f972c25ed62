/** The voice of this page: its engine is loaded with the first join, and then stays. */
import type { Id } from '../../core/ids'
import type { SyncClient } from '../../sync/contract'
import type { Voice } from '../../voice/engine.svelte'

class VoiceHost {
    now = $state.raw<Voice | null>(null)
    /** The room whose engine is being loaded. */
    loading = $state<Id | null>(null)
    /** The code could not be loaded. */
    failed = $state(false)

    async join(client: SyncClient, room: Id): Promise<void> {
        if (this.now === null) {
            this.loading = room
            this.failed = false
            try {
                const { Voice } = await import('../../voice/engine.svelte')
                this.now ??= new Voice(client)
            } catch {
                this.failed = true
                return
            } finally {
                this.loading = null
            }
        }
        await this.now.join(room)
    }

    /** Ends it, as the login does. */
    close(): void {
        this.now?.close()
        this.now = null
    }
}

export const voiceHost = new VoiceHost()
