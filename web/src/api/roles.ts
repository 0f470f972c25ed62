/** Routes of roles, and who has them. */
import type { Id } from '../core/ids'
import type { Asker } from './threads'

export interface RoleInfo {
    role_id: Id
    name: string
    color: number | null
    /** A mask as a decimal text. */
    permissions: string
    position: number
}

export type RoleChange = Partial<Omit<RoleInfo, 'role_id' | 'color'>> & { color?: number }

export interface RoleMember {
    user_id: Id
    username: string
    display_name?: string | null
    nickname?: string | null
    role_ids?: Id[]
}

interface Page<T> {
    items: T[]
    cursor: Id | null
}

export function createRole(asker: Asker, role: Omit<RoleInfo, 'role_id' | 'color'>): Promise<RoleInfo> {
    return asker.request<RoleInfo>('roles', { method: 'POST', body: role })
}

export function readRole(asker: Asker, role: Id): Promise<RoleInfo | undefined> {
    const query = { limit: 1, after: String(BigInt(role) - 1n) }
    return asker
        .request<Page<RoleInfo>>('roles', { query })
        .then(({ items }) => items.find((one) => one.role_id === role))
}

export function changeRole(asker: Asker, role: Id, change: RoleChange): Promise<RoleInfo> {
    return asker.request<RoleInfo>(`roles/${role}`, { method: 'PATCH', body: change })
}

export function deleteRole(asker: Asker, role: Id): Promise<void> {
    return asker.request<void>(`roles/${role}`, { method: 'DELETE' })
}

export function readRoleMembers(asker: Asker, role: Id, after?: Id): Promise<Page<RoleMember>> {
    return asker.request<Page<RoleMember>>(`roles/${role}/members`, { query: { limit: 50, after } })
}

/** Gives a role to a member, or takes it. */
export function setRole(asker: Asker, role: Id, member: Id, on: boolean): Promise<void> {
    return asker.request<void>(`members/${member}/roles/${role}`, { method: on ? 'PUT' : 'DELETE' })
}

/** Members whose names begin with a text. */
export function findMembers(asker: Asker, text: string): Promise<RoleMember[]> {
    return asker
        .request<{ members: RoleMember[] }>('members/find', { query: { query: text, limit: 10 } })
        .then((answer) => answer.members)
}
