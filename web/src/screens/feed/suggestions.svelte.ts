/** What is offered while one types: people, feeds, emoji, commands. */
import type { Id } from '../../core/ids'
import type { PlaceView, SyncClient } from '../../sync/contract'
import { announce } from '../../ui/announcer'
import { feed as words } from '../../words/en/feed'
import { commandsOf } from './commands'
import * as suggest from './suggest'

const FIND_AFTER_MS = 250

export class Suggestions {
    offered = $state.raw<suggest.Suggestion[]>([])
    chosen = $state(0)
    private asked: suggest.Asked | null = null
    private finding: ReturnType<typeof setTimeout> | undefined

    constructor(
        private readonly client: SyncClient,
        private readonly view: PlaceView,
        private readonly mayTellAll: () => boolean,
    ) {}

    /** Looks what the letters before the caret may become; people beyond those at hand are asked from the server. */
    async look(text: string, caret: number): Promise<void> {
        clearTimeout(this.finding)
        const wanted = suggest.askedAt(text, caret)
        this.asked = wanted
        this.chosen = 0
        if (wanted === null) return this.offer([])
        const { sign, query } = wanted
        if (sign === '#') return this.offer(suggest.feeds(this.client.layout.feeds, query))
        if (sign === '/') {
            const commands = await commandsOf(this.client)
            if (this.asked === wanted) this.offer(suggest.commands(commands, query))
            return
        }
        if (sign === ':') {
            const { EMOJI } = await import('./emoji')
            const own = this.client.emoji.map(({ name }) => ({ sign: `:${name}:`, words: [name] }))
            if (this.asked === wanted) this.offer(suggest.emoji([...own, ...EMOJI], query))
            return
        }
        const near = this.near()
        this.offer(suggest.people(near, query, this.mayTellAll()))
        if (query === '' || this.offered.length >= suggest.MOST) return
        this.finding = setTimeout(() => void this.find(wanted, near), FIND_AFTER_MS)
    }

    /** The authors of what is shown, the latest first. */
    private near(): suggest.Person[] {
        const authors = new Set<Id>(
            this.view.rows.toReversed().flatMap((row) => (row.kind === 'message' ? [row.message.author_id] : [])),
        )
        return [...authors].flatMap((one) => this.client.member(one) ?? [])
    }

    private async find(wanted: suggest.Asked, near: readonly suggest.Person[]): Promise<void> {
        try {
            const { members } = await this.client.request<{ members: suggest.Person[] }>('members/find', {
                query: { query: wanted.query, limit: suggest.MOST },
            })
            const known = new Set(near.map((one) => one.user_id))
            const all = [...near, ...members.filter((one) => !known.has(one.user_id))]
            if (this.asked === wanted) this.offer(suggest.people(all, wanted.query, this.mayTellAll()))
        } catch {
            // Those at hand stay offered.
        }
    }

    private offer(found: suggest.Suggestion[]): void {
        if (found.length > 0 && this.offered.length === 0) announce(words.suggested(found.length))
        this.offered = found
        this.chosen = Math.min(this.chosen, Math.max(0, found.length - 1))
    }

    /** The text with a suggestion in the place of the letters it was found by, and where the caret goes; null where none was asked for. */
    taken(one: suggest.Suggestion, text: string, caret: number): { text: string; caret: number } | null {
        if (this.asked === null) return null
        const { start } = this.asked
        this.dismiss()
        return { text: `${text.slice(0, start)}${one.text}${text.slice(caret)}`, caret: start + one.text.length }
    }

    dismiss(): void {
        clearTimeout(this.finding)
        this.asked = null
        this.offered = []
    }

    /** What a key means while suggestions are shown: one that is taken, true where it was used otherwise, false where it was not meant for them. */
    key(event: KeyboardEvent): suggest.Suggestion | boolean {
        const one = this.offered[this.chosen]
        if (one === undefined) return false
        if (event.key === 'Enter' && this.asked !== null && one.text.trim() === this.asked.sign + this.asked.query) {
            // It stands there in full already: Enter means the message.
            this.dismiss()
            return false
        }
        const { length } = this.offered
        if (event.key === 'ArrowDown') this.chosen = (this.chosen + 1) % length
        else if (event.key === 'ArrowUp') this.chosen = (this.chosen - 1 + length) % length
        else if ((event.key === 'Enter' && !event.shiftKey) || event.key === 'Tab') return one
        else if (event.key === 'Escape') this.dismiss()
        else return false
        return true
    }
}
