/** What is kept in IndexedDB: one database for the logins of this origin, and one for each user of a server. */
import type { Id } from '../core/ids'
import type { Entry } from '../protocol/outbox'
import type { PlaceKey } from '../store/entities'
import type { Store, Stored, StoredPlace } from './store_port'

const LOGINS = 'vox-logins'
const LAYOUT = 1
const KEPT_PLACES = 40

export interface StoredLogin {
    server: string
    token: string
    user_id: Id
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error ?? new Error('storage'))
    })
}

function done(transaction: IDBTransaction): Promise<void> {
    return new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve()
        transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error('storage'))
    })
}

function openOnce(name: string, build: (database: IDBDatabase) => void): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
        const request = indexedDB.open(name, LAYOUT)
        request.onupgradeneeded = () => build(request.result)
        request.onsuccess = () => {
            // Another tab logs out: its deletion must not wait for this one.
            request.result.onversionchange = () => request.result.close()
            resolve(request.result)
        }
        request.onerror = () => reject(request.error ?? new Error('storage'))
        request.onblocked = () => reject(new Error('storage is blocked'))
    })
}

function deleteDatabase(name: string): Promise<void> {
    return new Promise((resolve) => {
        const request = indexedDB.deleteDatabase(name)
        request.onsuccess = request.onerror = request.onblocked = () => resolve()
    })
}

/** What is broken or of a newer client is deleted, never repaired. */
async function openDatabase(name: string, build: (database: IDBDatabase) => void): Promise<IDBDatabase> {
    try {
        return await openOnce(name, build)
    } catch {
        await deleteDatabase(name)
        return openOnce(name, build)
    }
}

async function logins(): Promise<IDBDatabase> {
    return openDatabase(LOGINS, (database) => database.createObjectStore('logins', { keyPath: 'server' }))
}

export async function readLogin(server: string): Promise<StoredLogin | null> {
    const database = await logins()
    try {
        const found = await settled<StoredLogin | undefined>(
            database.transaction('logins').objectStore('logins').get(server),
        )
        return found ?? null
    } finally {
        database.close()
    }
}

export async function writeLogin(login: StoredLogin): Promise<void> {
    const database = await logins()
    try {
        const transaction = database.transaction('logins', 'readwrite')
        transaction.objectStore('logins').put(login)
        await done(transaction)
    } finally {
        database.close()
    }
}

/** Forgets a login, if it is still this one. */
export async function deleteLogin(server: string, token: string): Promise<void> {
    const database = await logins()
    try {
        const transaction = database.transaction('logins', 'readwrite')
        const store = transaction.objectStore('logins')
        const found = await settled<StoredLogin | undefined>(store.get(server))
        if (found?.token === token) store.delete(server)
        await done(transaction)
    } finally {
        database.close()
    }
}

const TABLES = ['state', 'places', 'drafts', 'outbox'] as const
type Table = (typeof TABLES)[number]

export class Cache implements Store {
    private constructor(
        private readonly database: IDBDatabase,
        private readonly name: string,
    ) {}

    static async open(server: string, user: Id): Promise<Cache> {
        const name = `vox ${server} ${user}`
        const database = await openDatabase(name, (fresh) => {
            fresh.createObjectStore('state')
            fresh.createObjectStore('places', { keyPath: 'place' })
            fresh.createObjectStore('drafts')
            fresh.createObjectStore('outbox', { keyPath: 'nonce' })
        })
        return new Cache(database, name)
    }

    private async write(tables: Table[], work: (store: (table: Table) => IDBObjectStore) => void): Promise<void> {
        const transaction = this.database.transaction(tables, 'readwrite')
        work((table) => transaction.objectStore(table))
        await done(transaction)
    }

    async read(): Promise<Stored> {
        const transaction = this.database.transaction([...TABLES])
        const store = (table: Table): IDBObjectStore => transaction.objectStore(table)
        const [state, places, keys, texts, outbox] = await Promise.all([
            settled<unknown>(store('state').get('state')),
            settled<StoredPlace[]>(store('places').getAll()),
            settled(store('drafts').getAllKeys()),
            settled<string[]>(store('drafts').getAll()),
            settled<Entry[]>(store('outbox').getAll()),
        ])
        const drafts = new Map(keys.map((key, at): [PlaceKey, string] => [String(key), texts[at]!]))
        return { state: state ?? null, places, drafts, outbox }
    }

    readOutbox(): Promise<Entry[]> {
        return settled<Entry[]>(this.database.transaction('outbox').objectStore('outbox').getAll())
    }

    putEntry(entry: Entry): Promise<void> {
        return this.write(['outbox'], (store) => store('outbox').put(entry))
    }

    deleteEntry(nonce: string): Promise<void> {
        return this.write(['outbox'], (store) => store('outbox').delete(nonce))
    }

    putDraft(place: PlaceKey, text: string): Promise<void> {
        return this.write(['drafts'], (store) => {
            if (text === '') store('drafts').delete(place)
            else store('drafts').put(text, place)
        })
    }

    putState(state: unknown): Promise<void> {
        return this.write(['state'], (store) => store('state').put(state, 'state'))
    }

    async putPlaces(places: readonly StoredPlace[]): Promise<void> {
        if (places.length === 0) return
        await this.write(['places'], (store) => {
            for (const place of places) store('places').put(place)
        })
        const all = await settled<StoredPlace[]>(this.database.transaction('places').objectStore('places').getAll())
        const old = all.sort((a, b) => b.used - a.used).slice(KEPT_PLACES)
        if (old.length > 0)
            await this.write(['places'], (store) => {
                for (const one of old) store('places').delete(one.place)
            })
    }

    deletePlace(place: PlaceKey): Promise<void> {
        return this.write(['places'], (store) => store('places').delete(place))
    }

    wipeCache(): Promise<void> {
        return this.write(['state', 'places'], (store) => {
            store('state').clear()
            store('places').clear()
        })
    }

    async wipe(): Promise<void> {
        await this.write([...TABLES], (store) => {
            for (const table of TABLES) store(table).clear()
        })
        this.database.close()
        await deleteDatabase(this.name)
    }
}
