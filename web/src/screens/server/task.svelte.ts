/** What a form does while it waits for the server, and lists that come page by page. */
import { sentenceOf } from '../../words/errors'

/** One piece of work at a time: whether it runs, and in words why the last one failed. */
export class Task {
    busy = $state(false)
    problem = $state('')

    /** Runs the work unless another runs; answers whether it succeeded. */
    async run(work: () => Promise<unknown>): Promise<boolean> {
        if (this.busy) return false
        this.busy = true
        this.problem = ''
        try {
            await work()
            return true
        } catch (error) {
            this.problem = sentenceOf(error)
            return false
        } finally {
            this.busy = false
        }
    }
}

export interface Page<T> {
    items: readonly T[]
    cursor: string | null
}

/** A list of the server, read page by page. */
export class Pages<T> {
    items = $state.raw<readonly T[]>([])
    hasMore = $state(false)
    isRead = $state(false)
    readonly task = new Task()
    private cursor: string | undefined

    constructor(
        private readonly read: (after: string | undefined) => Promise<Page<T>>,
        private readonly size: number,
    ) {}

    /** Reads the list from its beginning. */
    async start(): Promise<void> {
        await this.task.run(async () => {
            this.take(await this.read(undefined), [])
        })
    }

    async more(): Promise<void> {
        await this.task.run(async () => {
            this.take(await this.read(this.cursor), this.items)
        })
    }

    private take(page: Page<T>, before: readonly T[]): void {
        this.items = [...before, ...page.items]
        this.cursor = page.cursor ?? undefined
        this.hasMore = page.items.length >= this.size && page.cursor !== null
        this.isRead = true
    }

    change(items: readonly T[]): void {
        this.items = items
    }
}
