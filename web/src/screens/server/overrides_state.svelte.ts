/** The overrides of one feed or room as they are edited. */
import { setOverride, type Target } from '../../api/overrides'
import {
    beyond,
    byRank,
    isEveryone,
    maskFor,
    mayManage,
    namesOf,
    PERMISSION_GROUPS,
    rankOf,
    type SpaceOverride,
} from '../../core/permission_rules'
import { maskOf, PERMISSIONS, type Permission } from '../../core/permissions'
import type { Override } from '../../store/entities'
import type { SyncClient } from '../../sync/contract'
import { server as words } from '../../words/en/server'
import { nameOfId } from './names'
import { shownName } from './roles_state.svelte'
import type { Leaf } from './spaces'

export type Choice = 'inherit' | 'allow' | 'deny'

export interface Masks {
    allow: bigint
    deny: bigint
}

const NOTHING: Masks = { allow: 0n, deny: 0n }
const same = (a: Masks, b: Masks): boolean => a.allow === b.allow && a.deny === b.deny

/** `role:ID` or `user:ID`. */
export function keyOf(target: Target): string {
    return `${target.type}:${target.id}`
}

export function targetOf(key: string): Target {
    const at = key.indexOf(':')
    return { type: key.slice(0, at) as Target['type'], id: key.slice(at + 1) }
}

function tableOf(overrides: readonly Override[]): Map<string, Masks> {
    return new Map(
        overrides.map((one): [string, Masks] => [
            keyOf({ type: one.target_type, id: one.target_id }),
            { allow: maskOf(one.allow), deny: maskOf(one.deny) },
        ]),
    )
}

export class OverridesState {
    private base = $state.raw<ReadonlyMap<string, Masks>>(new Map())
    private mine = $state.raw<ReadonlyMap<string, Masks>>(new Map())
    private news = $state.raw<readonly { key: string; before: Masks; after: Masks }[]>([])
    readonly permissions: readonly Permission[]

    constructor(
        private readonly client: SyncClient,
        private readonly leaf: Leaf,
    ) {
        this.base = tableOf(leaf.overrides)
        this.mine = this.base
        this.permissions = PERMISSION_GROUPS.filter((group) => group.spaces.includes(leaf.kind)).flatMap(
            (group) => group.of,
        )
    }

    /** Follows what is stored; one's own choices stay, and what another changed under them is told. */
    meet(overrides: readonly Override[]): void {
        const stored = tableOf(overrides)
        const typed = this.changedKeys.length > 0
        const mine = new Map(this.mine)
        const news = [...this.news]
        for (const key of new Set([...this.base.keys(), ...stored.keys()])) {
            const [before, after] = [this.base.get(key) ?? NOTHING, stored.get(key) ?? NOTHING]
            if (same(before, after)) continue
            const own = this.mine.get(key) ?? NOTHING
            if (typed && !same(own, after)) news.push({ key, before, after })
            if (same(own, before)) mine.set(key, after)
        }
        this.base = stored
        this.mine = mine
        this.news = news.filter((one) => !same(this.mine.get(one.key) ?? NOTHING, one.before) || typed)
    }

    get targets(): string[] {
        const everyone = this.client.roles.find(isEveryone)
        const first = everyone === undefined ? [] : [`role:${everyone.role_id}`]
        const rank = byRank(this.client.roles).map((one) => `role:${one.role_id}`)
        const known = [...this.mine.keys()].filter((key) => key !== first[0])
        return [...first, ...known.toSorted((a, b) => rank.indexOf(a) - rank.indexOf(b))]
    }

    nameOf(key: string): string {
        const { type, id } = targetOf(key)
        if (type === 'user') return nameOfId(this.client, id)
        const role = this.client.roles.find((one) => one.role_id === id)
        return role === undefined ? words.unknown : shownName(role)
    }

    choice(key: string, permission: Permission): Choice {
        const { allow, deny } = this.mine.get(key) ?? NOTHING
        const bit = PERMISSIONS[permission]
        return (allow & bit) !== 0n ? 'allow' : (deny & bit) !== 0n ? 'deny' : 'inherit'
    }

    choose(key: string, permission: Permission, choice: Choice): void {
        const { allow, deny } = this.mine.get(key) ?? NOTHING
        const bit = PERMISSIONS[permission]
        this.put(key, {
            allow: choice === 'allow' ? allow | bit : allow & ~bit,
            deny: choice === 'deny' ? deny | bit : deny & ~bit,
        })
    }

    add(target: Target): void {
        const key = keyOf(target)
        if (!this.mine.has(key)) this.put(key, NOTHING)
    }

    clear(key: string): void {
        this.put(key, NOTHING)
    }

    private put(key: string, masks: Masks): void {
        this.mine = new Map(this.mine).set(key, masks)
    }

    /** Takes over what another place has; what one may not change here stays. */
    copyFrom(overrides: readonly Override[]): void {
        const wanted = tableOf(overrides)
        for (const key of new Set([...this.mine.keys(), ...wanted.keys()])) {
            const { allow, deny } = wanted.get(key) ?? NOTHING
            for (const one of this.permissions) {
                const bit = PERMISSIONS[one]
                const choice = (allow & bit) !== 0n ? 'allow' : (deny & bit) !== 0n ? 'deny' : 'inherit'
                if (this.lock(key, one) === '' && this.choice(key, one) !== choice) this.choose(key, one, choice)
            }
        }
    }

    /** Why a choice cannot be changed; empty where it can. */
    lock(key: string, permission: Permission): string {
        const { type, id } = targetOf(key)
        const { roles, permissions, me } = this.client
        const own = rankOf(roles, me?.role_ids ?? [])
        if (type === 'role') {
            const role = roles.find((one) => one.role_id === id)
            if (role === undefined) return words.roles.gone
            if (!isEveryone(role) && !mayManage(permissions, own, role)) return words.roles.tooHigh
        } else if (id !== me?.user_id) {
            const held = this.client.member(id)?.role_ids ?? []
            if (!mayManage(permissions, own, { position: rankOf(roles, held) })) return words.reports.ranks
        }
        const here = this.client.permissionsIn(this.leaf.id, this.leaf.kind)
        return beyond(here, PERMISSIONS[permission]) === 0n ? '' : words.roles.lacked
    }

    /** What someone with this role alone, or this member, may do here if it were saved. */
    result(key: string): bigint {
        const { type, id } = targetOf(key)
        const overrides = [...this.mine].map(([other, masks]): SpaceOverride => {
            const target = targetOf(other)
            return {
                target_type: target.type,
                target_id: target.id,
                allow: String(masks.allow),
                deny: String(masks.deny),
            }
        })
        const held = type === 'role' ? [id] : (this.client.member(id)?.role_ids ?? [])
        return maskFor(this.client.roles, type === 'user' ? id : null, held, overrides)
    }

    private get changedKeys(): string[] {
        return [...new Set([...this.base.keys(), ...this.mine.keys()])].filter(
            (key) => !same(this.base.get(key) ?? NOTHING, this.mine.get(key) ?? NOTHING),
        )
    }

    get changes(): string[] {
        return this.changedKeys.flatMap((key) =>
            this.lines(key, this.base.get(key) ?? NOTHING, this.mine.get(key) ?? NOTHING),
        )
    }

    get notices(): string[] {
        return this.news.flatMap(({ key, before, after }) => this.lines(key, before, after))
    }

    private lines(key: string, before: Masks, after: Masks): string[] {
        const { spaces: text, rights } = words
        const said = (masks: Masks, bit: bigint): string =>
            (masks.allow & bit) !== 0n ? text.allow : (masks.deny & bit) !== 0n ? text.deny : text.inherit
        return namesOf((before.allow ^ after.allow) | (before.deny ^ after.deny)).map((one) =>
            words.change(
                text.exceptionOf(this.nameOf(key), rights[one][0]),
                said(before, PERMISSIONS[one]),
                said(after, PERMISSIONS[one]),
            ),
        )
    }

    reset(): void {
        this.mine = this.base
        this.news = []
    }

    async save(): Promise<void> {
        for (const key of this.changedKeys) {
            const { allow, deny } = this.mine.get(key) ?? NOTHING
            await setOverride(this.client, this.leaf.kind, this.leaf.id, targetOf(key), allow, deny)
        }
        this.base = this.mine
        this.news = []
    }
}
