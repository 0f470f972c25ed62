/** Friends, requests and blocks of the user: read when first shown, and again when an event says that they changed. */
import {
    answerRequest,
    askForFriendship,
    readBlocks,
    readFriends,
    setBlocked,
    unfriend,
    type FriendStatus,
} from '../../api/relationships'
import type { Id } from '../../core/ids'
import type { SyncClient } from '../../sync/contract'
import { refusal } from '../members/refusals'

const EVENTS = ['friend_request', 'friend_add', 'friend_reject', 'friend_remove', 'block_add', 'block_remove']
/** Several events that come together ask once. */
const AGAIN_MS = 100

export type Relation = 'friend' | 'asked' | 'asks' | 'blocked' | 'none'

export class Relations {
    friends = $state.raw<readonly Id[]>([])
    sent = $state.raw<readonly Id[]>([])
    received = $state.raw<readonly Id[]>([])
    blocked = $state.raw<readonly Id[]>([])
    ready = $state(false)
    problem = $state('')
    private timer: ReturnType<typeof setTimeout> | null = null

    constructor(private readonly client: SyncClient) {
        for (const type of EVENTS) client.on(type, () => this.again())
        void this.read()
    }

    private again(): void {
        this.timer ??= setTimeout(() => {
            this.timer = null
            void this.read()
        }, AGAIN_MS)
    }

    /** Reads all four lists; what went wrong stands in `problem`. */
    async read(): Promise<void> {
        const { client } = this
        const list = (status: FriendStatus): Promise<Id[]> => readFriends(client, status)
        try {
            const [friends, sent, received, blocked] = await Promise.all([
                list('accepted'),
                list('pending'),
                list('incoming'),
                readBlocks(client),
            ])
            this.friends = friends.filter((one) => !blocked.includes(one))
            this.sent = sent
            this.received = received
            this.blocked = blocked
            this.problem = ''
            this.ready = true
        } catch (error) {
            this.problem = refusal(error)
        }
    }

    of(user: Id): Relation {
        if (this.blocked.includes(user)) return 'blocked'
        if (this.friends.includes(user)) return 'friend'
        if (this.received.includes(user)) return 'asks'
        return this.sent.includes(user) ? 'asked' : 'none'
    }

    /** Asks to be friends; where the other one asked first, this is the answer. Throws `ApiError`. */
    async ask(user: Id): Promise<void> {
        if (this.received.includes(user)) await answerRequest(this.client, user, 'accept')
        else await askForFriendship(this.client, user)
        await this.read()
    }

    async answer(user: Id, answer: 'accept' | 'reject'): Promise<void> {
        try {
            await answerRequest(this.client, user, answer)
        } finally {
            await this.read()
        }
    }

    async end(user: Id): Promise<void> {
        await unfriend(this.client, user)
        await this.read()
    }

    async block(user: Id, on: boolean): Promise<void> {
        await setBlocked(this.client, user, on)
        await this.read()
    }
}

const made = new WeakMap<SyncClient, Relations>()

export function relationsOf(client: SyncClient): Relations {
    const known = made.get(client) ?? new Relations(client)
    made.set(client, known)
    return known
}
