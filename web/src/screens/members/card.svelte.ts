/** The card of a member: one at a time, opened by any screen, shown by the frame. */
import type { Id } from '../../core/ids'

class Card {
    user = $state<Id | null>(null)

    open(user: Id): void {
        this.user = user
    }

    close(): void {
        this.user = null
    }
}

export const card = new Card()
