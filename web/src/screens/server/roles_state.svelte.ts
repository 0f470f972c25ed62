/** Roles as they are edited: a draft for each, their order, and what saving would change. */
import { changeRole, createRole, deleteRole, readRole, type RoleChange } from '../../api/roles'
import type { Id } from '../../core/ids'
import { beyond, byRank, isEveryone, mayManage, namesOf, positionsFor, rankOf } from '../../core/permission_rules'
import { maskOf, PERMISSIONS, type Permission } from '../../core/permissions'
import type { Role } from '../../store/entities'
import type { SyncClient } from '../../sync/contract'
import { hexOf } from '../../core/contrast'
import { server as words } from '../../words/en/server'
import { Draft, type Merge } from './draft.svelte'

export interface RoleValues {
    name: string
    /** 0: none of its own. */
    color: number
    permissions: bigint
}

/** One's own ticks stay where another changed other ones. */
const merge: Merge<RoleValues> = (key, base, mine, theirs) =>
    key === 'permissions' ? (theirs as bigint) ^ ((mine as bigint) ^ (base as bigint)) : mine

function valuesOf(role: Pick<Role, 'name' | 'color' | 'permissions'>): RoleValues {
    return { name: role.name, color: role.color ?? 0, permissions: maskOf(role.permissions) }
}

export function shownName(role: { name: string; position: number }): string {
    return isEveryone(role) ? words.roles.everyone : role.name
}

export class RolesState {
    drafts = $state.raw<ReadonlyMap<Id, Draft<RoleValues>>>(new Map())
    /** Roles that one moved, the highest first; null: as they are stored. */
    order = $state.raw<readonly Id[] | null>(null)

    constructor(private readonly client: SyncClient) {}

    /** Follows what is stored: new roles get a draft, deleted ones lose theirs. */
    meet(roles: readonly Role[]): void {
        const drafts = new Map<Id, Draft<RoleValues>>()
        for (const role of roles) {
            const known = this.drafts.get(role.role_id)
            known?.meet(valuesOf(role))
            drafts.set(role.role_id, known ?? new Draft(valuesOf(role), merge))
        }
        this.drafts = drafts
        const ids = new Set(drafts.keys())
        if (this.order !== null && (this.order.length !== ids.size || this.order.some((id) => !ids.has(id))))
            this.order = null
    }

    get stored(): Role[] {
        return byRank(this.client.roles)
    }

    get rows(): Role[] {
        const { order, stored } = this
        if (order === null) return stored
        return order.flatMap((id) => stored.find((one) => one.role_id === id) ?? [])
    }

    get rank(): number {
        return rankOf(this.client.roles, this.client.me?.role_ids ?? [])
    }

    mayChange(role: Role): boolean {
        return mayManage(this.client.permissions, this.rank, role)
    }

    /** Everyone's role stays where it is, and so do those above one's own. */
    mayMove(role: Role): boolean {
        return !isEveryone(role) && this.mayChange(role)
    }

    /** Whether one may assign, revoke or delete a role: one holds all that it has. */
    mayGive(role: Role): boolean {
        return this.mayChange(role) && beyond(this.client.permissions, maskOf(role.permissions)) === 0n
    }

    /** Why a tick cannot be changed; empty where it can. */
    lock(role: Role, permission: Permission): string {
        if (!this.mayChange(role)) return words.roles.tooHigh
        return beyond(this.client.permissions, PERMISSIONS[permission]) === 0n ? '' : words.roles.lacked
    }

    toggle(role: Id, permission: Permission): void {
        const draft = this.drafts.get(role)
        if (draft !== undefined) draft.set('permissions', draft.mine.permissions ^ PERMISSIONS[permission])
    }

    /** Puts a role before another place of the list; answers whether it may stand there. */
    move(id: Id, to: number): boolean {
        const rows = this.rows
        const from = rows.findIndex((one) => one.role_id === id)
        const moved = rows[from]
        const other = rows[to]
        if (moved === undefined || other === undefined || to === from) return false
        if (!this.mayMove(moved) || !this.mayMove(other)) return false
        const ids = rows.map((one) => one.role_id).toSpliced(from, 1)
        this.order = ids.toSpliced(to, 0, id)
        return true
    }

    private get moves(): { role_id: Id; position: number }[] {
        if (this.order === null) return []
        const rows = this.rows
        const movable = rows.filter((one) => this.mayMove(one))
        const above = rows.filter((one) => !isEveryone(one) && !this.mayMove(one)).map((one) => one.position)
        const own = this.rank === Infinity ? 0 : this.rank
        const isAdministrator = (this.client.permissions & PERMISSIONS.ADMINISTRATOR) !== 0n
        return positionsFor(movable, isAdministrator ? Math.max(0, ...above) : own)
    }

    /** What saving would change, a line each. */
    get changes(): string[] {
        const { roles: text } = words
        const lines = this.stored.flatMap((role) => {
            const draft = this.drafts.get(role.role_id)
            return draft === undefined ? [] : linesBetween(shownName(role), draft.base, draft.mine)
        })
        if (this.moves.length > 0) {
            const names = (roles: readonly Role[]): string =>
                roles
                    .filter((one) => !isEveryone(one))
                    .map((one) => one.name)
                    .join(', ')
            lines.push(words.change(text.order, names(this.stored), names(this.rows)))
        }
        return lines
    }

    /** What others changed meanwhile, a line each. */
    get notices(): string[] {
        return this.stored.flatMap((role) => {
            const draft = this.drafts.get(role.role_id)
            if (draft === undefined || draft.notices.length === 0) return []
            const before = { ...draft.base }
            for (const one of draft.notices) Object.assign(before, { [one.key]: one.before })
            return linesBetween(shownName(role), before, draft.base)
        })
    }

    reset(): void {
        for (const draft of this.drafts.values()) draft.reset()
        this.order = null
    }

    /** Stores all changes, unless another changed one of these roles meanwhile: then that is shown first. */
    async save(): Promise<void> {
        const changed = [...this.drafts].filter(([, draft]) => draft.changed.length > 0)
        let isNews = false
        for (const [id, draft] of changed) {
            const now = await readRole(this.client, id)
            if (now !== undefined && draft.meet(valuesOf(now))) isNews = true
        }
        if (isNews) return
        for (const [id, draft] of changed) {
            const keys = draft.changed
            if (keys.length === 0) continue
            const { name, color, permissions } = draft.mine
            const change: RoleChange = {}
            if (keys.includes('name')) change.name = name.trim()
            if (keys.includes('color')) change.color = color
            if (keys.includes('permissions')) change.permissions = String(permissions)
            draft.saved(valuesOf(await changeRole(this.client, id, change)))
        }
        // From the lowest up: at no moment do two stand at one position, or above where they belong.
        for (const { role_id, position } of this.moves.toReversed())
            await changeRole(this.client, role_id, { position })
        this.order = null
    }

    /** Makes a role without any right, the lowest of all. */
    async create(name: string): Promise<Id> {
        const lowest = Math.max(0, ...this.client.roles.map((one) => one.position))
        const role = await createRole(this.client, { name, permissions: '0', position: lowest + 1 })
        return role.role_id
    }

    remove(role: Id): Promise<void> {
        return deleteRole(this.client, role)
    }
}

function linesBetween(name: string, before: RoleValues, after: RoleValues): string[] {
    const { roles: text, rights } = words
    const lines: string[] = []
    const colour = (value: number): string => (value === 0 ? words.none : hexOf(value))
    if (before.name !== after.name) lines.push(words.change(words.name, before.name, after.name || words.empty))
    if (before.color !== after.color)
        lines.push(words.change(`${name}, ${text.colour}`, colour(before.color), colour(after.color)))
    for (const one of namesOf(after.permissions & ~before.permissions))
        lines.push(`${name} ${text.allowed(rights[one][0])}`)
    for (const one of namesOf(before.permissions & ~after.permissions))
        lines.push(`${name} ${text.denied(rights[one][0])}`)
    return lines
}
