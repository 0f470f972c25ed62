/** The threads of a feed by activity, a page at a time, kept up to date by what is heard of them. */
import { PAGE_OF_THREADS, readThreads } from '../../api/threads'
import { compareIds, type Id } from '../../core/ids'
import type { Thread } from '../../store/entities'
import type { SyncClient } from '../../sync/contract'
import { sentenceOf } from '../../words/errors'

/** The message or, where none is known, the thread's own number: what the list is sorted by. */
const activityOf = (one: Thread): Id => one.last_msg_id ?? one.parent_msg_id ?? '0'

export class ThreadPages {
    problem = $state('')
    busy = $state(false)
    hasMore = $state(false)
    isLoaded = $state(false)
    private read = $state.raw<readonly Thread[]>([])
    private cursor: string | null = null
    private stop = new AbortController()

    constructor(
        private readonly client: SyncClient,
        private readonly feed: Id,
        private readonly archived: () => boolean,
    ) {}

    /** What was read, with what is known to have changed since; new threads of others stand in it, too. */
    get shown(): readonly Thread[] {
        const all = new Map(this.read.map((one): [Id, Thread] => [one.thread_id, one]))
        for (const one of this.client.threads(this.feed)) {
            const known = all.get(one.thread_id)
            if (known !== undefined || this.isLoaded) all.set(one.thread_id, { ...known, ...latest(known, one) })
        }
        return [...all.values()]
            .filter((one) => one.archived === this.archived())
            .sort((a, b) => compareIds(activityOf(b), activityOf(a)) || compareIds(b.thread_id, a.thread_id))
    }

    /** Reads the first page again. */
    async load(): Promise<void> {
        this.stop.abort()
        this.stop = new AbortController()
        this.cursor = null
        await this.page(true)
    }

    async more(): Promise<void> {
        if (!this.busy && this.hasMore) await this.page(false)
    }

    close(): void {
        this.stop.abort()
    }

    private async page(afresh: boolean): Promise<void> {
        const { signal } = this.stop
        this.busy = true
        this.problem = ''
        try {
            const before = this.cursor === null ? {} : { before: this.cursor }
            const page = await readThreads(this.client, this.feed, { ...before, archived: this.archived(), signal })
            this.cursor = page.cursor
            this.hasMore = page.cursor !== null && page.items.length >= PAGE_OF_THREADS
            this.read = afresh ? page.items : [...this.read, ...page.items]
            this.client.learnThreads(page.items)
            this.isLoaded = true
        } catch (error) {
            if (!signal.aborted) this.problem = sentenceOf(error)
        } finally {
            if (!signal.aborted) this.busy = false
        }
    }
}

/** What both say of a thread: names and states as heard last, the activity that is later. */
function latest(read: Thread | undefined, heard: Thread): Thread {
    if (read === undefined) return heard
    const later = compareIds(read.last_msg_id ?? '0', heard.last_msg_id ?? '0') > 0 ? read : heard
    return {
        ...heard,
        last_msg_id: later.last_msg_id ?? null,
        ...(later.messages === undefined ? {} : { messages: later.messages }),
        author_id: heard.author_id ?? read.author_id ?? null,
    }
}
