/** The server's rules about roles as settings show them: which rule decided, what ranks where, what one may give. */
import type { Id } from './ids'
import { maskOf, PERMISSIONS, type Permission } from './permissions'

export interface RankedRole {
    role_id: Id
    name: string
    permissions: string
    position: number
}

export interface SpaceOverride {
    target_type: 'role' | 'user'
    target_id: Id
    allow: string
    deny: string
}

const ALL = (1n << 63n) - 1n
const { ADMINISTRATOR, VIEW_SPACE } = PERMISSIONS

/** Permissions in the order of the matrix. What a group names has a meaning in `spaces` of that kind. */
export const PERMISSION_GROUPS: readonly { key: string; spaces: readonly ('feed' | 'room')[]; of: Permission[] }[] = [
    { key: 'view', spaces: ['feed', 'room'], of: ['VIEW_SPACE'] },
    {
        key: 'text',
        spaces: ['feed'],
        of: [
            'READ_HISTORY',
            'SEND_MESSAGES',
            'SEND_EMBEDS',
            'ATTACH_FILES',
            'ADD_REACTIONS',
            'MENTION_EVERYONE',
            'CREATE_THREADS',
            'SEND_IN_THREADS',
            'MANAGE_THREADS',
            'MANAGE_MESSAGES',
            'MANAGE_WEBHOOKS',
        ],
    },
    {
        key: 'voice',
        spaces: ['room'],
        of: [
            'CONNECT',
            'SPEAK',
            'VIDEO',
            'STREAM',
            'PRIORITY_SPEAKER',
            'MUTE_MEMBERS',
            'DEAFEN_MEMBERS',
            'MOVE_MEMBERS',
            'STAGE_MODERATOR',
        ],
    },
    {
        key: 'people',
        spaces: [],
        of: [
            'CREATE_INVITES',
            'CHANGE_NICKNAME',
            'MANAGE_NICKNAMES',
            'KICK_MEMBERS',
            'BAN_MEMBERS',
            'VIEW_REPORTS',
            'MANAGE_REPORTS',
            'MANAGE_2FA',
        ],
    },
    {
        key: 'community',
        spaces: [],
        of: ['MANAGE_SPACES', 'MANAGE_ROLES', 'MANAGE_EMOJI', 'MANAGE_SERVER', 'VIEW_AUDIT_LOG', 'ADMINISTRATOR'],
    },
]

/** The role that everyone has. Another role may stand at position 0; its name tells them apart. */
export function isEveryone(role: { name: string; position: number }): boolean {
    return role.position === 0 && role.name === '@everyone'
}

/** Roles as ranks order them: the highest first, everyone's last. */
export function byRank<R extends RankedRole>(roles: readonly R[]): R[] {
    const id = (one: R): bigint => BigInt(one.role_id)
    return roles.toSorted((a, b) => {
        if (isEveryone(a) || isEveryone(b)) return Number(isEveryone(a)) - Number(isEveryone(b))
        return a.position - b.position || (id(a) < id(b) ? -1 : 1)
    })
}

/** The best position among roles held, where lower is higher; Infinity without any. */
export function rankOf(roles: readonly RankedRole[], held: readonly Id[]): number {
    const positions = roles
        .filter((role) => held.includes(role.role_id) && !isEveryone(role))
        .map((role) => role.position)
    return Math.min(...positions, Infinity)
}

/** Whether rank lets one change a role: administrators all, others those strictly below their own. */
export function mayManage(own: bigint, rank: number, role: { position: number }): boolean {
    return (own & ADMINISTRATOR) !== 0n || rank < role.position
}

/** What of a mask one lacks, and so must not give or take. */
export function beyond(own: bigint, mask: bigint): bigint {
    return (own & ADMINISTRATOR) !== 0n ? 0n : mask & ~own
}

/** The permissions of a mask, by name. */
export function namesOf(mask: bigint): Permission[] {
    return (Object.keys(PERMISSIONS) as Permission[]).filter((name) => (mask & PERMISSIONS[name]) !== 0n)
}

export type Rule =
    | { by: 'administrator' | 'role'; role: Id }
    | { by: 'override'; target: 'everyone' | 'role' | 'user'; role: Id | null; says: 'allow' | 'deny' }
    /** Without the right to view the space nothing holds there. */
    | { by: 'hidden' }
    | { by: 'nothing' }

export interface Reason {
    holds: boolean
    /** The rule that decided. */
    rule: Rule
    /** All rules that named the permission, in the order in which they count. */
    steps: Rule[]
}

export interface Asked {
    user: Id | null
    held: readonly Id[]
    permission: Permission
    /** The overrides of the space; null asks for the community. */
    overrides: readonly SpaceOverride[] | null
}

/** Why someone may do something, or not. */
export function reasonFor(roles: readonly RankedRole[], asked: Asked): Reason {
    const reason = withoutView(roles, asked)
    if (asked.overrides === null || asked.permission === 'VIEW_SPACE' || reason.rule.by === 'administrator')
        return reason
    const view = withoutView(roles, { ...asked, permission: 'VIEW_SPACE' })
    if (view.holds) return reason
    const rule: Rule = { by: 'hidden' }
    return { holds: false, rule, steps: [...reason.steps, rule] }
}

function withoutView(roles: readonly RankedRole[], { user, held, permission, overrides }: Asked): Reason {
    const own = byRank(roles).filter((role) => isEveryone(role) || held.includes(role.role_id))
    const administrator = own.find((role) => (maskOf(role.permissions) & ADMINISTRATOR) !== 0n)
    if (administrator !== undefined) {
        const rule: Rule = { by: 'administrator', role: administrator.role_id }
        return { holds: true, rule, steps: [rule] }
    }
    const bit = PERMISSIONS[permission]
    const steps: Rule[] = own
        .filter((role) => (maskOf(role.permissions) & bit) !== 0n)
        .map((role) => ({ by: 'role', role: role.role_id }))
    let [rule, holds]: [Rule, boolean] = steps[0] === undefined ? [{ by: 'nothing' }, false] : [steps[0], true]
    for (const step of overridesFor(own, user, bit, overrides ?? [])) {
        steps.push(step)
        rule = step
        holds = step.says === 'allow'
    }
    return { holds, rule, steps }
}

type OverrideRule = Extract<Rule, { by: 'override' }>

/** Rules of overrides in the order in which they count: everyone's, those of roles together, one's own; allowing wins. */
function overridesFor(
    own: readonly RankedRole[],
    user: Id | null,
    bit: bigint,
    overrides: readonly SpaceOverride[],
): OverrideRule[] {
    const found: OverrideRule[] = []
    const add = (target: OverrideRule['target'], wanted: readonly SpaceOverride[]): void => {
        for (const says of ['deny', 'allow'] as const) {
            const one = wanted.find((other) => (maskOf(other[says]) & bit) !== 0n)
            if (one !== undefined) found.push({ by: 'override', target, role: one.target_id, says })
        }
    }
    const everyone = own.find(isEveryone)?.role_id
    const ofRoles = overrides.filter((one) => one.target_type === 'role')
    add(
        'everyone',
        ofRoles.filter((one) => one.target_id === everyone),
    )
    add(
        'role',
        ofRoles.filter((one) => one.target_id !== everyone && own.some((role) => role.role_id === one.target_id)),
    )
    add(
        'user',
        overrides.filter((one) => one.target_type === 'user' && one.target_id === user),
    )
    return found
}

/** Every permission that someone holds, as a mask; equal to the server's. */
export function maskFor(
    roles: readonly RankedRole[],
    user: Id | null,
    held: readonly Id[],
    overrides: readonly SpaceOverride[] | null,
): bigint {
    const own = roles.filter((role) => isEveryone(role) || held.includes(role.role_id))
    let mask = own.reduce((sum, role) => sum | maskOf(role.permissions), 0n)
    if ((mask & ADMINISTRATOR) !== 0n) return ALL
    if (overrides === null) return mask
    const everyone = own.find(isEveryone)?.role_id
    const layers: SpaceOverride[][] = [[], [], []]
    for (const one of overrides) {
        if (one.target_type === 'user') {
            if (one.target_id === user) layers[2]!.push(one)
        } else if (one.target_id === everyone) layers[0]!.push(one)
        else if (held.includes(one.target_id)) layers[1]!.push(one)
    }
    for (const layer of layers) {
        const of = (says: 'allow' | 'deny'): bigint => layer.reduce((sum, one) => sum | maskOf(one[says]), 0n)
        mask = (mask & ~of('deny')) | of('allow')
    }
    if ((mask & ADMINISTRATOR) !== 0n) return ALL
    return (mask & VIEW_SPACE) === 0n ? 0n : mask
}

/**
 * The positions to store so that roles stand in this order, the highest first; only those that change. `above` is the
 * position of the lowest role that must stay above them.
 */
export function positionsFor(order: readonly RankedRole[], above: number): { role_id: Id; position: number }[] {
    const changes: { role_id: Id; position: number }[] = []
    let last = above
    for (const role of order) {
        const position = role.position > last ? role.position : last + 1
        if (position !== role.position) changes.push({ role_id: role.role_id, position })
        last = position
    }
    return changes
}
