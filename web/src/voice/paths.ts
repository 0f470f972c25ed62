/** What a browser's statistics say of the ways to a relay; pure. */

export type Path =
    | { kind: 'offer'; protocol: string; address: string }
    | { kind: 'pair'; protocol: string; address: string; isOpen: boolean; tripMs: number | null; isUsed: boolean }
    | { kind: 'loss'; share: number }

export interface Way {
    /** Whether the relay names an address of this kind at all. */
    isOffered: boolean
    /** Whether it has answered there. */
    isOpen: boolean
    address: string
    isPrivate: boolean
}

const PRIVATE = /^\[?(localhost\b|127\.|10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|169\.254\.|::1|f[cd][0-9a-f]{2}:)/i

/** Whether a host is this computer or in a local network, which others cannot reach. */
export function isPrivate(host: string): boolean {
    return PRIVATE.test(host)
}

/** The addresses that a description names. */
export function offersOf(sdp: string): Path[] {
    return [...sdp.matchAll(/^a=candidate:\S+ \d+ (udp|tcp) \d+ (\S+) (\d+) /gim)].map(
        ([, protocol, address, port]): Path => ({
            kind: 'offer',
            protocol: protocol!.toLowerCase(),
            address: `${address!.includes(':') ? `[${address}]` : address}:${port}`,
        }),
    )
}

export function summary(paths: readonly Path[]): {
    udp: Way
    tcp: Way
    tripMs: number | null
    lossShare: number | null
} {
    const way = (protocol: string): Way => {
        const offers = paths.filter((one) => one.kind === 'offer' && one.protocol === protocol)
        const open = paths.find((one) => one.kind === 'pair' && one.protocol === protocol && one.isOpen)
        const shown = (open ?? offers[0]) as { address: string } | undefined
        return {
            isOffered: offers.length > 0 || open !== undefined,
            isOpen: open !== undefined,
            address: shown?.address ?? '',
            isPrivate: offers.length > 0 && offers.every((one) => 'address' in one && isPrivate(one.address)),
        }
    }
    const trips = paths.flatMap((one) => (one.kind === 'pair' && one.isOpen && one.tripMs !== null ? [one] : []))
    const used = trips.find((one) => one.isUsed) ?? trips[0]
    const losses = paths.flatMap((one) => (one.kind === 'loss' ? [one.share] : []))
    return {
        udp: way('udp'),
        tcp: way('tcp'),
        tripMs: used?.tripMs ?? null,
        lossShare: losses.length > 0 ? Math.max(...losses) : null,
    }
}
