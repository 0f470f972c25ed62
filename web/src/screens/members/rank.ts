/** Who may do what to whom, by the server's rules: a lower position is a higher rank, and administrators stand above all. */
import { holds, maskOf, type Permission } from '../../core/permissions'
import type { Member, Role } from '../../store/entities'

export type Obstacle = 'self' | 'permission' | 'administrator' | 'above' | 'equal'

/** The best position among the roles given; infinite without any. */
export function rankOf(roles: readonly Role[], held: readonly string[]): number {
    return roles.reduce((best, one) => (held.includes(one.role_id) ? Math.min(best, one.position) : best), Infinity)
}

export function isAdministrator(roles: readonly Role[], held: readonly string[]): boolean {
    return roles.some((one) => held.includes(one.role_id) && holds(maskOf(one.permissions), 'ADMINISTRATOR'))
}

interface Actor {
    me: Member | null
    roles: readonly Role[]
    permissions: bigint
}

/** Why one may not use a permission on a member; null where one may. */
export function obstacle(actor: Actor, target: Member, permission: Permission): Obstacle | null {
    const { me, roles, permissions } = actor
    if (me === null || me.user_id === target.user_id) return 'self'
    if (!holds(permissions, permission)) return 'permission'
    if (holds(permissions, 'ADMINISTRATOR')) return null
    const held = target.role_ids ?? []
    if (isAdministrator(roles, held)) return 'administrator'
    const [mine, theirs] = [rankOf(roles, me.role_ids ?? []), rankOf(roles, held)]
    if (theirs < mine) return 'above'
    return theirs === mine ? 'equal' : null
}

/** Administrators are never timed out, by other administrators neither. */
export function timeoutObstacle(actor: Actor, target: Member): Obstacle | null {
    const found = obstacle(actor, target, 'KICK_MEMBERS')
    return found ?? (isAdministrator(actor.roles, target.role_ids ?? []) ? 'administrator' : null)
}

/** Whether a role may be given and taken: it stands below one's own. */
export function mayGive(actor: Actor, role: Role): boolean {
    if (role.position === 0 || !holds(actor.permissions, 'MANAGE_ROLES')) return false
    if (holds(actor.permissions, 'ADMINISTRATOR')) return true
    return role.position > rankOf(actor.roles, actor.me?.role_ids ?? [])
}
