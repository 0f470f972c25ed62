/** All members of the community, read once by large pages; from then on events keep them. */
import { readMembers } from '../../api/members'
import type { Member } from '../../store/entities'
import type { SyncClient } from '../../sync/contract'
import { localeTag } from '../../words/language.svelte'
import { statusOf } from './presence'
import { refusal } from './refusals'
import { byName, memberRows, type MemberRow } from './rows'

/** Presences of a large community change many times a second, and the list is put in order at most this often. */
const ORDER_EVERY_MS = 500

export class Directory {
    rows = $state.raw<readonly MemberRow[]>([])
    count = $state(0)
    loading = $state(true)
    problem = $state('')
    private ordered: Member[] = []
    private orderedFrom: ReadonlyMap<string, Member> | null = null
    private locale = ''

    constructor(private readonly client: SyncClient) {}

    /** Reads all pages; throws nothing. */
    async read(signal: AbortSignal): Promise<void> {
        this.problem = ''
        this.loading = true
        try {
            await readMembers(this.client, (members) => this.client.learnMembers(members), signal)
        } catch (error) {
            if (!signal.aborted) this.problem = refusal(error)
        } finally {
            this.loading = false
        }
    }

    /** Puts the list in order with each change of what it shows; to be called within an effect, which it subscribes. */
    follow(words: { online: string; offline: string }): () => void {
        const { client } = this
        const { people, roles } = client
        client.presence('0')
        const timer = setTimeout(() => this.order(people, roles, words), this.rows.length === 0 ? 0 : ORDER_EVERY_MS)
        return () => clearTimeout(timer)
    }

    private order(
        people: ReadonlyMap<string, Member>,
        roles: SyncClient['roles'],
        words: { online: string; offline: string },
    ): void {
        const locale = localeTag()
        if (this.orderedFrom !== people || this.locale !== locale) {
            this.ordered = byName(people.values(), locale)
            this.orderedFrom = people
            this.locale = locale
        }
        this.rows = memberRows(this.ordered, roles, (id) => statusOf(this.client, id) !== 'offline', words)
        this.count = this.ordered.length
    }
}
