/** Routes of overrides: what a role or a member is allowed and denied in one feed or room. */
import type { Id } from '../core/ids'
import type { Asker } from './threads'

export type SpaceKind = 'feed' | 'room'

export interface Target {
    type: 'role' | 'user'
    id: Id
}

/** Sets both masks; where both are 0 there is no override afterwards. */
export function setOverride(
    asker: Asker,
    kind: SpaceKind,
    space: Id,
    target: Target,
    allow: bigint,
    deny: bigint,
): Promise<void> {
    const path = `${kind}s/${space}/permissions/${target.type}/${target.id}`
    if (allow === 0n && deny === 0n) return asker.request<void>(path, { method: 'DELETE' })
    return asker.request<void>(path, { method: 'PUT', body: { allow: String(allow), deny: String(deny) } })
}
