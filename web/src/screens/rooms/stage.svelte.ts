/** The stage of one room: who may speak there, who asks to, and what it is about. */
import type { Id } from '../../core/ids'
import type { SyncClient } from '../../sync/contract'

interface Room {
    topic: string | null
    speakers: Id[]
}

export class Stage {
    topic = $state('')
    speakers = $state.raw<readonly Id[]>([])
    /** Who has raised a hand, since this page is open. */
    hands = $state.raw<readonly Id[]>([])
    /** Whether the user was invited onto the stage. */
    isInvited = $state(false)
    private readonly stops: (() => void)[]

    constructor(
        private readonly client: SyncClient,
        private readonly room: Id,
    ) {
        const here = (type: string, heard: (d: Record<string, unknown>) => void): (() => void) =>
            client.on(type, (d) => {
                if (String(d.room_id) === room) heard(d)
            })
        const me = (d: Record<string, unknown>): boolean => String(d.user_id) === client.me?.user_id
        this.stops = [
            here('stage_request', (d) => (this.hands = [...new Set([...this.hands, String(d.user_id)])])),
            here('stage_invite', (d) => me(d) && (this.isInvited = true)),
            here('stage_invite_decline', (d) => this.lower(String(d.user_id))),
            here('stage_revoke', () => void this.read()),
            here('stage_topic_update', (d) => (this.topic = String(d.topic ?? ''))),
        ]
        void this.read()
    }

    /** Reads who speaks there; where that fails, what was known stays. */
    async read(): Promise<void> {
        try {
            const found = await this.client.request<Room>(`rooms/${this.room}/voice`)
            this.topic = found.topic ?? ''
            this.speakers = found.speakers
            this.hands = this.hands.filter((one) => !found.speakers.includes(one))
        } catch {
            // The room's own state tells of the lost connection.
        }
    }

    lower(user: Id): void {
        this.hands = this.hands.filter((one) => one !== user)
    }

    close(): void {
        for (const stop of this.stops) stop()
    }
}
