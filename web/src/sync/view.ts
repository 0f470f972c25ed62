/** A place as a page shows it: a window on its messages, kept filled. */
import { ApiError } from '../api/http'
import type { Id } from '../core/ids'
import type { Message, PlaceKey } from '../store/entities'
import { Window } from '../store/window'
import type { PlaceView } from './contract'
import type { Engine } from './engine'
import type { ViewPatch } from './wire'

export class View {
    dirty = true
    /** A message was marked unread: reading does not move the mark until one leaves and returns. */
    isHeld = false
    private readonly window = new Window()
    private state: PlaceView['state'] = 'loading'
    private highlighted: Id | null = null
    private busy: Promise<void> | null = null
    /** The messages as the page has them. */
    private sent = new Map<Id, Message>()

    constructor(
        private readonly engine: Engine,
        readonly key: PlaceKey,
    ) {}

    private get log() {
        return this.engine.places.log(this.key)
    }

    setFollow(on: boolean): void {
        this.window.follow = on
        this.change()
    }

    private change(): void {
        this.dirty = true
        this.engine.flushSoon()
    }

    /** Brings what is shown up to date: after opening, after a new session, after an interruption. */
    async settle(): Promise<void> {
        await this.one(async () => {
            const { places, epoch } = this.engine
            if (!this.log.ranges.isLive) await places.catchUp(this.key)
            this.become('ready')
            const shown = this.window.shown(this.log.ranges).filter((id) => this.log.isStale(id, epoch))
            if (shown.length > 0 && this.engine.live) await places.refresh(this.key, shown[0]!, shown.at(-1)!)
        }).catch((error: unknown) => this.failed(error))
    }

    /** One thing after the other, so that two scrolls do not read the same page. */
    private one(work: () => Promise<void>): Promise<void> {
        const before = this.busy ?? Promise.resolve()
        const next = before.catch(() => undefined).then(work)
        this.busy = next
        return next
    }

    private failed(error: unknown): void {
        if (!(error instanceof ApiError)) throw error
        if (error.status === 403) this.become('forbidden')
        else if (error.status === 404) this.become('missing')
        else if (this.log.size === 0) this.become('failed')
        else this.become('ready')
        if (error.status === 401) this.engine.ended('AUTH_EXPIRED', '')
    }

    private become(state: PlaceView['state']): void {
        this.state = state
        this.change()
    }

    /** The place may no longer be seen, or is gone. */
    lose(): void {
        this.sent.clear()
        this.window.toEnd()
        this.become('missing')
    }

    loadOlder(): Promise<void> {
        return this.one(async () => {
            const before = this.window.needsOlder(this.log.ranges)
            if (before !== null) await this.engine.places.older(this.key, before)
            this.window.moveOlder(this.log.ranges)
            this.change()
            this.refreshShown()
        })
    }

    loadNewer(): Promise<void> {
        return this.one(async () => {
            const around = this.window.needsNewer(this.log.ranges)
            if (around !== null) await this.engine.places.around(this.key, around)
            this.window.moveNewer(this.log.ranges)
            this.change()
            this.refreshShown()
        })
    }

    jump(to: Id | 'newest' | 'first-unread'): Promise<void> {
        return this.one(async () => {
            const { places } = this.engine
            if (to === 'newest') {
                if (!this.log.ranges.isLive) await places.catchUp(this.key)
                this.window.toEnd()
                this.highlighted = null
                return this.change()
            }
            const id = to === 'first-unread' ? this.engine.state.marks.get(this.key)?.last_read_msg_id : to
            if (id == null) return
            if (!this.window.around(this.log.ranges, id)) {
                await places.around(this.key, id)
                this.window.around(this.log.ranges, id)
            }
            this.highlighted = to === 'first-unread' ? null : id
            this.change()
            this.refreshShown()
        })
    }

    fillGap(before: Id, after: Id): Promise<void> {
        return this.one(() => this.engine.places.gap(this.key, before, after))
    }

    private refreshShown(): void {
        const { epoch, live, places } = this.engine
        const stale = this.window.shown(this.log.ranges).filter((id) => this.log.isStale(id, epoch))
        if (stale.length > 0 && live)
            void places.refresh(this.key, stale[0]!, stale.at(-1)!).catch((error: unknown) => this.failed(error))
    }

    private async path(id: Id): Promise<string> {
        const [kind, place] = this.key.split(':') as [string, Id]
        if (kind === 'dm') return `dms/${place}/messages/${id}`
        const path = await this.engine.places.path(this.key)
        return `feeds/${path.split('/')[1]}/messages/${id}`
    }

    /** Shows a change at once, and undoes it where the server refuses it. */
    private async optimistic(
        id: Id,
        change: (message: Message) => Partial<Message>,
        request: () => Promise<unknown>,
    ): Promise<void> {
        const before = this.log.message(id)
        if (before !== null) {
            const part = change(before)
            this.log.patch(id, part)
            this.engine.placeChanged(this.key, true)
            try {
                await request()
            } catch (error) {
                const undone = Object.fromEntries(
                    Object.keys(part).map((name) => [name, before[name as keyof Message]]),
                )
                this.log.patch(id, undone)
                this.engine.placeChanged(this.key, true)
                throw error
            }
        } else {
            await request()
        }
    }

    edit(id: Id, body: string): Promise<void> {
        return this.optimistic(
            id,
            () => ({ body }),
            async () => this.engine.http.request(await this.path(id), { method: 'PATCH', body: { body } }),
        )
    }

    async remove(id: Id): Promise<void> {
        await this.engine.http.request(await this.path(id), { method: 'DELETE' })
        this.engine.event({ type: 'message_delete', d: { msg_id: id } })
    }

    async react(id: Id, emoji: string, on: boolean): Promise<void> {
        const type = on ? 'message_reaction_add' : 'message_reaction_remove'
        const back = on ? 'message_reaction_remove' : 'message_reaction_add'
        const d = { msg_id: id, user_id: this.engine.user, emoji }
        const mine = this.log.message(id)?.reactions.find((one) => one.emoji === emoji)?.me ?? false
        this.engine.event({ type, d })
        try {
            const path = `${await this.path(id)}/reactions/${encodeURIComponent(emoji)}`
            await this.engine.http.request(path, { method: on ? 'PUT' : 'DELETE' })
        } catch (error) {
            if (mine !== on) this.engine.event({ type: back, d })
            throw error
        }
    }

    pin(id: Id, on: boolean): Promise<void> {
        return this.optimistic(
            id,
            () => ({ pinned: on }),
            async () => {
                const feed = (await this.engine.places.path(this.key)).split('/')[1]
                await this.engine.http.request(`feeds/${feed}/pins/${id}`, { method: on ? 'PUT' : 'DELETE' })
            },
        )
    }

    /** What the page does not have yet. */
    patch(): ViewPatch {
        const { log } = this
        const shown = this.window.rows(log.ranges)
        const messages: Message[] = []
        const sent = new Map<Id, Message>()
        const people: Id[] = []
        for (const row of shown.rows) {
            if (!('id' in row)) continue
            const message = log.message(row.id)
            if (message === null) continue
            if (this.sent.get(row.id) !== message) messages.push(message)
            sent.set(row.id, message)
            people.push(message.author_id)
        }
        this.sent = sent
        this.engine.wantMembers(people.filter((id) => id !== '0'))
        const empty = shown.rows.length === 0 && this.state === 'loading'
        return {
            ...shown,
            state: this.state === 'loading' && !empty ? 'ready' : this.state,
            messages,
            highlighted: this.highlighted,
            pending: this.engine.pendingOf(this.key),
            typing: this.engine.typingIn(this.key),
        }
    }
}
