/** Who is typing where, and how often one's own typing is told. */
import type { Id } from '../core/ids'
import type { PlaceKey } from '../store/entities'

const SHOWN_MS = 8_000
const TOLD_EVERY_MS = 5_000

export class Typists {
    private readonly people = new Map<PlaceKey, Map<Id, number>>()
    private readonly told = new Map<PlaceKey, number>()

    /** @param changed is called with a place where somebody began or ended. */
    constructor(private readonly changed: (place: PlaceKey) => void) {}

    in(place: PlaceKey): Id[] {
        return [...(this.people.get(place)?.keys() ?? [])]
    }

    began(place: PlaceKey, id: Id, now: number): void {
        const there = this.people.get(place) ?? new Map<Id, number>()
        this.people.set(place, there.set(id, now + SHOWN_MS))
        this.changed(place)
    }

    ended(place: PlaceKey, id: Id): void {
        this.people.get(place)?.delete(id)
    }

    tick(now: number): void {
        for (const [place, there] of this.people)
            for (const [id, until] of there) if (until <= now && there.delete(id)) this.changed(place)
    }

    /** Whether one's own typing is to be told now. */
    tells(place: PlaceKey, now: number): boolean {
        if ((this.told.get(place) ?? 0) > now - TOLD_EVERY_MS) return false
        this.told.set(place, now)
        return true
    }
}
