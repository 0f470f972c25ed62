/** One search of a client: what is asked, what was found. It outlives its panel, so that the list stands there again after a jump. */
import { ApiError } from '../../api/http'
import { isNewer, type Id } from '../../core/ids'
import { startOfDay, takeApart, wordsOf, type Filter, type FilterName } from '../../core/search_query'
import { idAtTime } from '../../core/snowflake'
import type { SyncClient } from '../../sync/contract'
import { sentenceOf } from '../../words/errors'
import { search as words } from '../../words/en/search'
import type { Found } from '../feed/found'

const PAGE = 25
const DEADLINE_MS = 10_000

export interface Chip {
    name: FilterName
    /** What is sent. */
    value: string
    /** What is shown. */
    label: string
}

type Query = Record<string, string | number | undefined>

export class SearchState {
    text = $state('')
    chips = $state.raw<readonly Chip[]>([])
    found = $state.raw<readonly Found[] | null>(null)
    wanted = $state.raw<readonly string[]>([])
    hasMore = $state(false)
    busy = $state(false)
    problem = $state('')
    canRetry = $state(false)
    private stop = new AbortController()
    private asked: Query | null = null
    private begun: string | null | undefined

    constructor(private readonly client: SyncClient) {}

    /** Where the search looks first: the place it was opened from. */
    begin(feed: Id | null, dm: Id | null): void {
        const wished = feed ?? (dm === null ? null : `dm:${dm}`)
        if (this.begun === wished) return
        this.begun = wished
        this.chips = this.chips.filter((one) => one.name !== 'in')
        if (wished !== null) this.put({ name: 'in', value: wished, label: this.placeLabel(wished) })
        this.found = null
        this.problem = ''
    }

    private placeLabel(value: string): string {
        const dm = value.startsWith('dm:') ? this.client.dms.find((one) => `dm:${one.dm_id}` === value) : undefined
        if (value.startsWith('dm:')) return dm?.name || words.thisConversation
        return `#${this.client.layout.feeds.find((one) => one.feed_id === value)?.name ?? value}`
    }

    /** Another filter; one of each kind. */
    put(chip: Chip): void {
        this.chips = [...this.chips.filter((one) => one.name !== chip.name), chip]
    }

    remove(name: FilterName): void {
        this.chips = this.chips.filter((one) => one.name !== name)
    }

    /** Turns the filters that were typed into chips. False where one of them says nothing, and `problem` says which. */
    async settle(): Promise<boolean> {
        const { words: left, filters } = takeApart(this.text)
        this.problem = ''
        for (const filter of filters) {
            const chip = await this.chipOf(filter)
            if (chip === null) return false
            this.put(chip)
        }
        this.text = left
        return true
    }

    private async chipOf({ name, value }: Filter): Promise<Chip | null> {
        const same = (one: string | null | undefined): boolean => one?.toLocaleLowerCase() === value.toLocaleLowerCase()
        switch (name) {
            case 'pinned':
                return { name, value: 'true', label: '' }
            case 'has': {
                const what = { file: 'file', files: 'file', image: 'file', embed: 'embed', link: 'embed' }[
                    value.toLowerCase()
                ]
                if (what === undefined) this.problem = words.noHas(value)
                return what === undefined ? null : { name, value: what, label: words[what as 'file' | 'embed'] }
            }
            case 'before':
            case 'after': {
                const day = startOfDay(value)
                if (day === null) this.problem = words.noDay
                return day === null ? null : { name, value, label: value }
            }
            case 'in': {
                const feed = this.client.layout.feeds.find((one) => same(one.name))
                if (feed === undefined) this.problem = words.noFeed(value)
                return feed === undefined ? null : { name, value: feed.feed_id, label: `#${feed.name}` }
            }
            case 'from': {
                const found = await this.people(value)
                const person = found.find((one) => same(one.username) || same(one.display_name) || same(one.nickname))
                if (person === undefined) this.problem = words.noPerson(value)
                return person === undefined ? null : { name, value: person.user_id, label: personLabel(person) }
            }
        }
    }

    async people(query: string): Promise<Person[]> {
        if (query === '') return this.client.me === null ? [] : [this.client.me]
        try {
            return (await this.client.request<{ members: Person[] }>('members/find', { query: { query, limit: 8 } }))
                .members
        } catch {
            return []
        }
    }

    /** Asks the server. */
    async run(): Promise<void> {
        this.busy = true
        const isSettled = await this.settle()
        this.busy = false
        if (!isSettled) return
        if (this.text === '') {
            this.problem = words.needWords
            return
        }
        this.wanted = wordsOf(this.text)
        this.asked = this.query()
        this.found = null
        await this.page()
    }

    async again(): Promise<void> {
        if (this.asked !== null) await this.page()
    }

    async more(): Promise<void> {
        if (!this.busy && this.hasMore) await this.page()
    }

    private query(): Query {
        const query: Query = { query: this.text, limit: PAGE }
        for (const { name, value } of this.chips) {
            const day = name === 'before' || name === 'after' ? startOfDay(value) : null
            if (name === 'from') query.author_id = value
            else if (name === 'in' && value.startsWith('dm:')) query.dm_id = value.slice(3)
            else if (name === 'in') query.feed_id = value
            else if (name === 'has') query[value === 'file' ? 'has_file' : 'has_embed'] = 'true'
            else if (name === 'pinned') query.pinned = 'true'
            else if (day !== null && name === 'before') query.before = idAtTime(day.getTime())
            else if (day !== null) {
                // Behind a day is from the next midnight on; the server leaves out the id itself.
                const next = new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1)
                query.after = (BigInt(idAtTime(next.getTime())) - 1n).toString()
            }
        }
        return query
    }

    private async page(): Promise<void> {
        this.stop.abort()
        const { signal } = (this.stop = new AbortController())
        this.busy = true
        this.problem = ''
        this.canRetry = false
        const oldest = this.found?.at(-1)?.msg_id
        const query = { ...this.asked }
        if (oldest !== undefined && (query.before === undefined || isNewer(String(query.before), oldest)))
            query.before = oldest
        try {
            const { results } = await this.client.request<{ results: Found[] }>('messages/search', {
                query,
                signal,
                deadlineMs: DEADLINE_MS,
            })
            if (signal.aborted) return
            this.found = [...(this.found ?? []), ...results]
            this.hasMore = results.length >= PAGE
        } catch (error) {
            if (signal.aborted) return
            this.problem = refusalOf(error)
            this.canRetry = !(error instanceof ApiError) || error.isTemporary
        } finally {
            if (!signal.aborted) this.busy = false
        }
    }
}

export interface Person {
    user_id: Id
    username: string
    display_name?: string | null
    nickname?: string | null
}

export function personLabel(person: Person): string {
    return person.nickname || person.display_name || person.username
}

/** Nothing found, no right and a search that was given up are different things. */
export function refusalOf(error: unknown): string {
    if (!(error instanceof ApiError)) return sentenceOf(error)
    if (error.status === 403) return words.forbidden
    if (error.status === 404) return words.missing
    if (error.status === 503) return words.busy
    return sentenceOf(error)
}

const states = new WeakMap<SyncClient, SearchState>()

export function searchOf(client: SyncClient): SearchState {
    const known = states.get(client) ?? new SearchState(client)
    states.set(client, known)
    return known
}
