/** Files that go with a message: uploaded while one writes, at most four at once. */
import type { Id } from '../../core/ids'
import type { Place, SyncClient } from '../../sync/contract'
import { sentenceOf } from '../../words/errors'
import { isPicture } from './media'

export const SPOILER = 'SPOILER_'
export const MOST_FILES = 10
const AT_ONCE = 4
const DEADLINE_MS = 10 * 60_000

export class TrayFile {
    state = $state<'waiting' | 'sending' | 'done' | 'failed'>('waiting')
    problem = $state('')
    isSpoiler = $state(false)
    id: Id | null = null
    /** An address of what it looks like; empty for what is no picture. */
    readonly preview: string
    readonly stop = new AbortController()

    constructor(
        readonly key: number,
        readonly file: File,
    ) {
        this.preview = isPicture({ mime: file.type }) ? URL.createObjectURL(file) : ''
    }

    /** What it is called at the server; a name that begins so is hidden until one wants to see it. */
    get name(): string {
        return this.isSpoiler ? `${SPOILER}${this.file.name}` : this.file.name
    }

    forget(): void {
        if (this.preview !== '') URL.revokeObjectURL(this.preview)
    }
}

export class Tray {
    files = $state.raw<readonly TrayFile[]>([])
    private next = 1

    constructor(
        private readonly client: SyncClient,
        private readonly place: Place,
        private readonly feed: () => Id | null,
    ) {}

    /** Whether all that was added has arrived at the server. */
    get complete(): boolean {
        return this.files.every((one) => one.state === 'done')
    }

    get ids(): Id[] {
        return this.files.flatMap((one) => (one.id === null ? [] : [one.id]))
    }

    /** Adds files as far as there is room; answers how many were left out. */
    add(files: Iterable<File>): number {
        const all = [...files]
        const taken = all.slice(0, MOST_FILES - this.files.length)
        this.files = [...this.files, ...taken.map((file) => new TrayFile(this.next++, file))]
        this.work()
        return all.length - taken.length
    }

    remove(file: TrayFile): void {
        file.stop.abort()
        this.files = this.files.filter((one) => one !== file)
        file.forget()
        if (file.id !== null) void this.client.request(`files/${file.id}`, { method: 'DELETE' }).catch(() => undefined)
        this.work()
    }

    retry(file: TrayFile): void {
        file.state = 'waiting'
        file.problem = ''
        this.work()
    }

    /** Hides a file until one wants to see it, or does not; it goes to the server again, since its name says so. */
    mark(file: TrayFile, on: boolean): void {
        file.isSpoiler = on
        if (file.state !== 'done') return
        if (file.id !== null) void this.client.request(`files/${file.id}`, { method: 'DELETE' }).catch(() => undefined)
        file.id = null
        this.retry(file)
    }

    /** Empties the tray; its files belong to a message now. */
    clear(): void {
        for (const one of this.files) one.forget()
        this.files = []
    }

    private work(): void {
        const busy = this.files.filter((one) => one.state === 'sending').length
        for (const file of this.files.filter((one) => one.state === 'waiting').slice(0, AT_ONCE - busy))
            void this.upload(file)
    }

    private async upload(file: TrayFile): Promise<void> {
        file.state = 'sending'
        const form = new FormData()
        form.append('file', file.file, file.name)
        const path = this.place.kind === 'dm' ? `dms/${this.place.id}/files` : `feeds/${this.feed() ?? ''}/files`
        try {
            const answer = await this.client.request<{ file_id: Id }>(path, {
                method: 'POST',
                body: form,
                signal: file.stop.signal,
                deadlineMs: DEADLINE_MS,
            })
            file.id = answer.file_id
            file.state = 'done'
        } catch (error) {
            if (file.stop.signal.aborted) return
            file.state = 'failed'
            file.problem = sentenceOf(error)
        }
        this.work()
    }
}
