/** Which agents a server has, and what can be asked of one. */

const DEADLINE_MS = 5_000

export interface AgentInfo {
    /** The one that was asked for, or the server's first. */
    agent: string
    title: string
    suggestions: readonly string[]
    agents: readonly { name: string; title: string }[]
    /** Whether calls over WebRTC are taken. */
    webrtc: boolean
}

/** Why there is no list: the server is away, asks for a key, refuses this address, or has no such agent. */
export type Absence = 'away' | 'needsKey' | 'foreign' | 'unknown'

/** The address with a slash at its end, as routes are added to it; null where it is none of http. */
export function serverAddress(url: string, page: string): string | null {
    try {
        const found = new URL(url, page)
        if (!/^https?:$/.test(found.protocol)) return null
        found.search = found.hash = ''
        if (!found.pathname.endsWith('/')) found.pathname += '/'
        return found.href
    } catch {
        return null
    }
}

/** Asks the agent server; `name` is empty for its first agent. */
export async function readAgents(server: string, name: string): Promise<AgentInfo | Absence> {
    const url = new URL('page/suggestions', server)
    if (name !== '') url.searchParams.set('agent', name)
    try {
        const response = await fetch(url, {
            cache: 'no-store',
            credentials: 'omit',
            signal: AbortSignal.timeout(DEADLINE_MS),
        })
        if (response.status === 401) return 'needsKey'
        if (response.status === 403) return 'foreign'
        if (response.status === 404) return 'unknown'
        if (!response.ok) return 'away'
        return ((await response.json()) as { data: AgentInfo }).data
    } catch {
        return 'away'
    }
}
