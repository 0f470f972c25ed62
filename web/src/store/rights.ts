/** What a user may do, by the server's rules; the snapshot says it once, and events that change roles or overrides need it again. */
import type { Id } from '../core/ids'
import { isEveryone } from '../core/permission_rules'
import { maskOf, PERMISSIONS } from '../core/permissions'
import type { Override, Role } from './entities'

const ALL = (1n << 63n) - 1n
const { ADMINISTRATOR, VIEW_SPACE } = PERMISSIONS

/** The role that everyone has. Another may stand at position 0 too: the name tells them apart. */
export function everyoneRole(roles: readonly Role[]): Role | null {
    return roles.find(isEveryone) ?? null
}

/** The mask outside of any space. */
export function baseMask(roles: readonly Role[], held: readonly Id[]): bigint {
    let mask = 0n
    for (const role of roles) if (isEveryone(role) || held.includes(role.role_id)) mask |= maskOf(role.permissions)
    return (mask & ADMINISTRATOR) !== 0n ? ALL : mask
}

/** The mask in a space: first the override of everyone, then those of the roles together, then the user's own. */
export function maskIn(
    base: bigint,
    overrides: readonly Override[],
    everyone: Id | null,
    held: readonly Id[],
    user: Id,
): bigint {
    if ((base & ADMINISTRATOR) !== 0n) return ALL
    let [everyoneAllow, everyoneDeny, allow, deny, ownAllow, ownDeny] = [0n, 0n, 0n, 0n, 0n, 0n]
    for (const one of overrides) {
        if (one.target_type === 'user') {
            if (one.target_id === user) [ownAllow, ownDeny] = [maskOf(one.allow), maskOf(one.deny)]
        } else if (one.target_id === everyone) {
            ;[everyoneAllow, everyoneDeny] = [maskOf(one.allow), maskOf(one.deny)]
        } else if (held.includes(one.target_id)) {
            allow |= maskOf(one.allow)
            deny |= maskOf(one.deny)
        }
    }
    let mask = (base & ~everyoneDeny) | everyoneAllow
    mask = (mask & ~deny) | allow
    mask = (mask & ~ownDeny) | ownAllow
    if ((mask & ADMINISTRATOR) !== 0n) return ALL
    return (mask & VIEW_SPACE) === 0n ? 0n : mask
}
