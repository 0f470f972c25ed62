/** Whether one looks at the client with the rights of a role. */
import type { Id } from '../core/ids'

class ViewAs {
    role = $state<Id | null>(null)

    start(role: Id): void {
        this.role = role
    }

    stop(): void {
        this.role = null
    }
}

export const viewAs = new ViewAs()
