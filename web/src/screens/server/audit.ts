/** Entries of the audit log in words: on whom, and what was before and after. */
import type { AuditEntry } from '../../api/audit'
import type { Id } from '../../core/ids'
import { namesOf } from '../../core/permission_rules'
import { maskOf } from '../../core/permissions'
import type { SyncClient } from '../../sync/contract'
import { server as words } from '../../words/en/server'
import { nameOfId } from './names'
import { shownName } from './roles_state.svelte'

const MASKS = new Set(['permissions', 'allow', 'deny'])

/** The name of what an entry is about; as it is called now, else as it was then. */
export function targetName(client: SyncClient, entry: AuditEntry): string {
    const [area] = entry.event_type.split('.')
    const { target_id: id, metadata } = entry
    const then = typeof metadata?.name === 'string' ? metadata.name : ''
    if (id === null) return then
    if (entry.event_type === 'role.assign' || entry.event_type === 'role.revoke' || area === 'member')
        return nameOfId(client, id)
    if (area === 'role') return roleName(client, id) ?? then
    if (area === 'permission')
        return metadata?.target_type === 'user' ? nameOfId(client, id) : (roleName(client, id) ?? words.unknown)
    const { feeds, rooms, categories } = client.layout
    if (area === 'feed') return feeds.find((one) => one.feed_id === id)?.name ?? then
    if (area === 'room') return rooms.find((one) => one.room_id === id)?.name ?? then
    if (area === 'category') return categories.find((one) => one.category_id === id)?.name ?? then
    if (area === 'bot') return nameOfId(client, id)
    return then
}

function roleName(client: SyncClient, id: Id): string | undefined {
    const role = client.roles.find((one) => one.role_id === id)
    return role && shownName(role)
}

/** What changed, a line each: before → after where the entry knows both. */
export function detailsOf(client: SyncClient, entry: AuditEntry): string[] {
    const { before, after, changed, ...rest } = entry.metadata ?? {}
    const old = tableOf(before)
    const fresh = { ...tableOf(changed), ...tableOf(after) }
    const lines: string[] = []
    for (const key of new Set([...Object.keys(old), ...Object.keys(fresh)])) {
        if (MASKS.has(key)) lines.push(...maskLines(key, old[key], fresh[key]))
        else if (String(old[key]) !== String(fresh[key]))
            lines.push(words.change(key, shown(old[key]), shown(fresh[key])))
    }
    for (const [key, value] of Object.entries(rest)) {
        if (key === 'role_id') lines.push(roleName(client, String(value)) ?? words.unknown)
        else if (key === 'reason' && typeof value === 'string' && value !== '') lines.push(words.bans.reason(value))
        else if (key === 'space_id') lines.push(spaceName(client, String(rest.space_type), String(value)))
    }
    return lines
}

function maskLines(key: string, before: unknown, after: unknown): string[] {
    const [old, fresh] = [maskOf(String(before ?? '0')), maskOf(String(after ?? '0'))]
    const { yes, no } = words.audit
    const prefix = key === 'permissions' ? '' : `${key === 'allow' ? words.spaces.allow : words.spaces.deny}: `
    const name = (one: keyof typeof words.rights): string => `${prefix}${words.rights[one][0]}`
    return [
        ...namesOf(fresh & ~old).map((one) => words.change(name(one), no, yes)),
        ...namesOf(old & ~fresh).map((one) => words.change(name(one), yes, no)),
    ]
}

function spaceName(client: SyncClient, kind: string, id: Id): string {
    const { feeds, rooms } = client.layout
    const name =
        kind === 'feed' ? feeds.find((one) => one.feed_id === id)?.name : rooms.find((one) => one.room_id === id)?.name
    return `${kind === 'feed' ? words.spaces.feed : words.spaces.room}: ${name ?? words.unknown}`
}

function tableOf(value: unknown): Record<string, unknown> {
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function shown(value: unknown): string {
    if (value === null || value === undefined || value === '') return words.empty
    return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
