/** Addresses through which this server shows pictures from elsewhere, so that their hosts learn nothing about readers; asked for together. */
import type { RequestOptions } from '../../api/http'

interface Asker {
    request<T>(path: string, options?: RequestOptions): Promise<T>
}

interface Links {
    links: { source: string; url: string }[]
    expires_at: number
    images?: string
    images_expire_at?: number
}

const MOST = 100
const TOGETHER_MS = 30
/** Asked again so long before an address ends. */
const SPARE_MS = 60_000
const HELD = 500

interface Held {
    url: Promise<string | null>
    until: number
}

class MediaLinks {
    private readonly held = new Map<string, Held>()
    private wanted = new Map<string, (links: Promise<Links>) => void>()
    private pictures: { query: Promise<string>; until: number } | null = null

    constructor(private readonly asker: Asker) {}

    /** The address for a picture from elsewhere; null where the server gives none. */
    of(source: string): Promise<string | null> {
        const known = this.held.get(source)
        if (known !== undefined && known.until > Date.now()) return known.url
        const entry: Held = { url: Promise.resolve(null), until: Number.POSITIVE_INFINITY }
        entry.url = new Promise<Links>((resolve) => {
            if (this.wanted.size === 0) setTimeout(() => this.ask(), TOGETHER_MS)
            this.wanted.set(source, resolve)
        })
            .then((answer) => {
                entry.until = answer.expires_at * 1000 - SPARE_MS
                return answer.links.find((one) => one.source === source)?.url ?? null
            })
            .catch(() => {
                entry.until = Date.now() + SPARE_MS
                return null
            })
        this.held.set(source, entry)
        const [oldest] = this.held.keys()
        if (this.held.size > HELD && oldest !== undefined) this.held.delete(oldest)
        return entry.url
    }

    /** What opens pictures of this server, such as emoji and stickers, to an `<img>`; empty where links are off. */
    query(): Promise<string> {
        if (this.pictures !== null && this.pictures.until > Date.now()) return this.pictures.query
        const entry = { query: Promise.resolve(''), until: Number.POSITIVE_INFINITY }
        entry.query = this.read([])
            .then((answer) => {
                entry.until = (answer.images_expire_at ?? 0) * 1000 - SPARE_MS
                return answer.images ?? ''
            })
            .catch(() => {
                entry.until = Date.now() + SPARE_MS
                return ''
            })
        this.pictures = entry
        return entry.query
    }

    private read(sources: readonly string[]): Promise<Links> {
        return this.asker.request<Links>('media/links', { method: 'POST', body: { sources: [...sources] } })
    }

    private ask(): void {
        const all = [...this.wanted]
        this.wanted = new Map()
        for (let from = 0; from < all.length; from += MOST) {
            const some = all.slice(from, from + MOST)
            const answer = this.read(some.map(([source]) => source))
            answer.catch(() => undefined)
            for (const [, resolve] of some) resolve(answer)
        }
    }
}

const made = new WeakMap<Asker, MediaLinks>()

export function mediaLinks(asker: Asker): MediaLinks {
    const known = made.get(asker) ?? new MediaLinks(asker)
    made.set(asker, known)
    return known
}
