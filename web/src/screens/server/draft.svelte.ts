/** What someone has typed over stored values, and what others stored meanwhile. */

type Key<T> = keyof T & string

export interface Notice<T> {
    key: Key<T>
    before: T[Key<T>]
    after: T[Key<T>]
}

/** Combines one's own value with another's newer one; without it one's own stays as it is. */
export type Merge<T> = (key: Key<T>, base: T[Key<T>], mine: T[Key<T>], theirs: T[Key<T>]) => T[Key<T>]

export class Draft<T extends object> {
    base = $state.raw() as T
    mine = $state.raw() as T
    /** What others changed since one began to type. */
    notices = $state.raw<readonly Notice<T>[]>([])

    constructor(
        start: T,
        private readonly merge: Merge<T> = (_key, _base, mine) => mine,
    ) {
        this.base = start
        this.mine = start
    }

    get changed(): Key<T>[] {
        return (Object.keys(this.base) as Key<T>[]).filter((key) => this.mine[key] !== this.base[key])
    }

    set<K extends Key<T>>(key: K, value: T[K]): void {
        this.mine = { ...this.mine, [key]: value }
    }

    /** Takes the values as they are stored now; answers whether another changed something under one's hands. */
    meet(stored: T): boolean {
        const keys = (Object.keys(this.base) as Key<T>[]).filter((key) => stored[key] !== this.base[key])
        if (keys.length === 0) return false
        const typed = this.changed.length > 0
        const mine = { ...this.mine }
        const news: Notice<T>[] = []
        for (const key of keys) {
            if (stored[key] !== this.mine[key] && typed) news.push({ key, before: this.base[key], after: stored[key] })
            mine[key] =
                this.mine[key] === this.base[key]
                    ? stored[key]
                    : this.merge(key, this.base[key], this.mine[key], stored[key])
        }
        this.base = stored
        this.mine = mine
        this.notices = [...this.notices.filter((one) => !keys.includes(one.key)), ...news]
        return news.length > 0
    }

    /** What was typed is stored now. */
    saved(stored: T): void {
        this.base = stored
        this.mine = stored
        this.notices = []
    }

    reset(): void {
        this.mine = this.base
        this.notices = []
    }
}
