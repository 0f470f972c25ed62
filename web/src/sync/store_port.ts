/** What is kept between visits; `cache.ts` keeps it in IndexedDB, and a shared computer in nothing. */
import type { Entry } from '../protocol/outbox'
import type { Message, PlaceKey } from '../store/entities'

export interface StoredPlace {
    place: PlaceKey
    used: number
    messages: Message[]
}

export interface Stored {
    /** A `State`, as it was. */
    state: unknown
    places: StoredPlace[]
    drafts: Map<PlaceKey, string>
    outbox: Entry[]
}

export interface Store {
    read(): Promise<Stored>
    readOutbox(): Promise<Entry[]>
    putEntry(entry: Entry): Promise<void>
    deleteEntry(nonce: string): Promise<void>
    putDraft(place: PlaceKey, text: string): Promise<void>
    putState(state: unknown): Promise<void>
    putPlaces(places: readonly StoredPlace[]): Promise<void>
    deletePlace(place: PlaceKey): Promise<void>
    /** Deletes what came from the server, and leaves what was written here and not sent. */
    wipeCache(): Promise<void>
    /** Deletes everything. */
    wipe(): Promise<void>
}

/** Keeps what was written here while the page is open, and nothing else. */
export class MemoryStore implements Store {
    private readonly entries = new Map<string, Entry>()
    private readonly drafts = new Map<PlaceKey, string>()

    async read(): Promise<Stored> {
        return { state: null, places: [], drafts: new Map(this.drafts), outbox: [...this.entries.values()] }
    }

    async readOutbox(): Promise<Entry[]> {
        return [...this.entries.values()]
    }

    async putEntry(entry: Entry): Promise<void> {
        this.entries.set(entry.nonce, entry)
    }

    async deleteEntry(nonce: string): Promise<void> {
        this.entries.delete(nonce)
    }

    async putDraft(place: PlaceKey, text: string): Promise<void> {
        if (text === '') this.drafts.delete(place)
        else this.drafts.set(place, text)
    }

    async putState(): Promise<void> {}
    async putPlaces(): Promise<void> {}
    async deletePlace(): Promise<void> {}
    async wipeCache(): Promise<void> {}

    async wipe(): Promise<void> {
        this.entries.clear()
        this.drafts.clear()
    }
}
