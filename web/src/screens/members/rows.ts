/** The rows of the list of members: those who are online by their highest role, then those who are not. */
import type { Id } from '../../core/ids'
import type { Member, Role } from '../../store/entities'

export type MemberRow =
    | { kind: 'heading'; key: string; name: string; count: number }
    | { kind: 'member'; key: Id; member: Member; isOnline: boolean }

export function shownName(member: Member): string {
    return member.nickname || member.display_name || member.username
}

/** Members who have not left, by name. */
export function byName(members: Iterable<Member>, locale: string): Member[] {
    const collator = new Intl.Collator(locale, { sensitivity: 'base', numeric: true })
    return [...members]
        .filter((one) => one.left !== true)
        .map((member) => ({ member, name: shownName(member) }))
        .sort((a, b) => collator.compare(a.name, b.name) || (a.member.user_id < b.member.user_id ? -1 : 1))
        .map((one) => one.member)
}

/**
 * Linear in the members, which come in the order of `byName`.
 *
 * `words`: how those are called that are online without a role, and those that are not.
 */
export function memberRows(
    members: readonly Member[],
    roles: readonly Role[],
    isOnline: (id: Id) => boolean,
    words: { online: string; offline: string },
): MemberRow[] {
    const positions = new Map(roles.filter((one) => one.position > 0).map((one) => [one.role_id, one]))
    const groups = new Map<Role | null, Member[]>()
    const away: Member[] = []
    for (const member of members) {
        if (!isOnline(member.user_id)) {
            away.push(member)
            continue
        }
        let highest: Role | null = null
        for (const id of member.role_ids ?? []) {
            const role = positions.get(id)
            if (role !== undefined && (highest === null || role.position < highest.position)) highest = role
        }
        const group = groups.get(highest)
        if (group === undefined) groups.set(highest, [member])
        else group.push(member)
    }
    const rank = (role: Role | null): number => role?.position ?? Infinity
    const shown = [...groups].sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1))
    const rows: MemberRow[] = []
    for (const [role, group] of shown) add(rows, role?.role_id ?? 'online', role?.name ?? words.online, group, true)
    add(rows, 'offline', words.offline, away, false)
    return rows
}

function add(rows: MemberRow[], key: string, name: string, members: readonly Member[], isOnline: boolean): void {
    if (members.length === 0) return
    rows.push({ kind: 'heading', key: `heading ${key}`, name, count: members.length })
    for (const member of members) rows.push({ kind: 'member', key: member.user_id, member, isOnline })
}

/** Which rows of one height are to be drawn, with some to spare above and below. */
export function visibleRows(
    count: number,
    height: number,
    view: { top: number; height: number },
    spare = 8,
): { from: number; to: number } {
    const from = Math.max(0, Math.floor(view.top / height) - spare)
    return { from, to: Math.min(count, Math.ceil((view.top + view.height) / height) + spare) }
}
