/** Which server this client belongs to: `client.json` beside the page names it, so that one build serves any installation. */

/** The server's root, with a slash at its end. `page` is the address of the page. */
export async function findServer(page: string): Promise<URL> {
    try {
        const response = await fetch(new URL('client.json', page), { cache: 'no-cache' })
        const value: unknown = await response.json()
        const named = typeof value === 'object' && value !== null && 'server' in value ? value.server : null
        if (typeof named === 'string') return asFolder(new URL(named, page))
    } catch {
        // Without that file, the server is the one that the page came from.
    }
    return new URL('/', page)
}

function asFolder(url: URL): URL {
    if (!url.pathname.endsWith('/')) url.pathname += '/'
    return url
}
