/** The page's present route as a signal. */
import { addressOf, parseRoute, type Route } from './router'

class Location {
    route = $state.raw<Route>(parseRoute(window.location.hash))

    constructor() {
        window.addEventListener('hashchange', () => (this.route = parseRoute(window.location.hash)))
    }

    /** Goes to a route; `replace` leaves no step in the history, for addresses with secrets and redirections. */
    go(route: Route, replace = false): void {
        const address = addressOf(route)
        if (address === window.location.hash) return
        if (replace) {
            window.history.replaceState(null, '', address)
            this.route = route
        } else {
            window.location.hash = address
        }
    }
}

export const location = new Location()
