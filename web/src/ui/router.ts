/** Addresses behind `#`: one page at any prefix, and what stands there is never sent to a server. */
import { isId, type Id } from '../core/ids'

export type Route =
    | { screen: 'home' }
    | { screen: 'feed'; feed: Id; message: Id | null }
    | { screen: 'dm'; dm: Id; message: Id | null }
    | { screen: 'thread'; thread: Id; message: Id | null }
    | { screen: 'room'; room: Id }
    | { screen: 'talk'; agent: string }
    | { screen: 'login' }
    | { screen: 'invite'; code: string }
    | { screen: 'setup'; token: string }
    | { screen: 'settings' | 'server' | 'operate'; section: string }
    | { screen: 'doctor' | 'friends' | 'dms' | 'voices' | 'you' | 'agents' }
    | { screen: 'unknown' }

/** The route of a fragment such as `#/f/12/34`. */
export function parseRoute(fragment: string): Route {
    const [first = '', second, third] = fragment
        .replace(/^#?\/?/, '')
        .split('/')
        .map(decoded)
    switch (first) {
        case '':
            return { screen: 'home' }
        case 'f':
            return isId(second)
                ? { screen: 'feed', feed: second, message: isId(third) ? third : null }
                : { screen: 'unknown' }
        case 'd':
            return isId(second)
                ? { screen: 'dm', dm: second, message: isId(third) ? third : null }
                : { screen: 'unknown' }
        case 't':
            return isId(second)
                ? { screen: 'thread', thread: second, message: isId(third) ? third : null }
                : { screen: 'unknown' }
        case 'r':
            return isId(second) ? { screen: 'room', room: second } : { screen: 'unknown' }
        case 'talk':
            return { screen: 'talk', agent: second ?? '' }
        case 'i':
            return second ? { screen: 'invite', code: second } : { screen: 'unknown' }
        case 'setup':
            return { screen: 'setup', token: second ?? '' }
        case 'login':
        case 'doctor':
        case 'friends':
        case 'dms':
        case 'voices':
        case 'you':
        case 'agents':
            return { screen: first }
        case 'settings':
        case 'server':
        case 'operate':
            return { screen: first, section: fragment.replace(/^#?\/?[^/]*\/?/, '') }
        default:
            return { screen: 'unknown' }
    }
}

/** The fragment of a route; the reverse of `parseRoute`. */
export function addressOf(route: Route): string {
    switch (route.screen) {
        case 'feed':
            return route.message === null ? `#/f/${route.feed}` : `#/f/${route.feed}/${route.message}`
        case 'dm':
            return route.message === null ? `#/d/${route.dm}` : `#/d/${route.dm}/${route.message}`
        case 'thread':
            return route.message === null ? `#/t/${route.thread}` : `#/t/${route.thread}/${route.message}`
        case 'room':
            return `#/r/${route.room}`
        case 'talk':
            return `#/talk/${encodeURIComponent(route.agent)}`
        case 'invite':
            return `#/i/${encodeURIComponent(route.code)}`
        case 'setup':
            return `#/setup/${encodeURIComponent(route.token)}`
        case 'settings':
        case 'server':
        case 'operate':
            return `#/${route.screen}/${route.section}`
        case 'login':
        case 'doctor':
        case 'friends':
        case 'dms':
        case 'voices':
        case 'you':
        case 'agents':
            return `#/${route.screen}`
        default:
            return '#/'
    }
}

function decoded(part: string): string {
    try {
        return decodeURIComponent(part)
    } catch {
        return part
    }
}
