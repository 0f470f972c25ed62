/** How loud each person is for this user, remembered in this browser. */
const KEY = 'vox-volumes'
const MOST = 500

export class Volumes {
    private readonly known: Map<string, number>

    constructor() {
        this.known = new Map()
        try {
            const stored: unknown = JSON.parse(window.localStorage.getItem(KEY) ?? '[]')
            if (!Array.isArray(stored)) return
            for (const one of stored as unknown[])
                if (Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'number')
                    this.known.set(one[0], clamp(one[1]))
        } catch {
            // Broken or forbidden storage: everyone is as loud as they are.
        }
    }

    /** From 0 to 1. */
    get(identity: string): number {
        return this.known.get(identity) ?? 1
    }

    set(identity: string, volume: number): void {
        this.known.delete(identity)
        if (volume < 1) this.known.set(identity, clamp(volume))
        if (this.known.size > MOST) this.known.delete(this.known.keys().next().value!)
        try {
            window.localStorage.setItem(KEY, JSON.stringify([...this.known]))
        } catch {
            // It holds until the page is closed.
        }
    }
}

function clamp(volume: number): number {
    return Number.isFinite(volume) ? Math.min(1, Math.max(0, volume)) : 1
}
