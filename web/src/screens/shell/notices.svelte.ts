/** Notices of the browser: asked for after the first mention, shown by the tab that leads, one for each message. */
import { plainText } from '../../core/markdown/parse'
import { placeKey } from '../../store/entities'
import type { Place, SyncClient } from '../../sync/contract'
import { location } from '../../ui/location.svelte'
import { shell } from '../../words/en/shell'
import { mentionText, nameOf } from '../feed/names'
import { routeTo } from '../feed/places'
import { placeOf } from './places'

const LATER = 'vox-notices-later'
const LONGEST = 160

interface Told {
    place: Place
    msg_id: string
    author_id: string
    body: string
}

class Notices {
    /** Whether to ask the user now. */
    asks = $state(false)

    /** Shows what the worker tells, and tells it which place has the user's eye; until the returned function is called. */
    watch(client: SyncClient): () => void {
        const stop = client.on('notice', (d) => this.show(client, d as unknown as Told))
        const attend = (): void => {
            const seen = document.visibilityState === 'visible' && document.hasFocus()
            const place = seen ? placeOf(location.route) : null
            client.attend(place === null ? null : placeKey(place))
        }
        const events = ['focus', 'blur', 'hashchange'] as const
        for (const one of events) window.addEventListener(one, attend)
        document.addEventListener('visibilitychange', attend)
        attend()
        return () => {
            stop()
            for (const one of events) window.removeEventListener(one, attend)
            document.removeEventListener('visibilitychange', attend)
        }
    }

    private show(client: SyncClient, { place, msg_id, author_id, body }: Told): void {
        if (!('Notification' in window)) return
        if (Notification.permission === 'default' && window.isSecureContext) {
            this.asks = window.sessionStorage.getItem(LATER) === null
            return
        }
        if (Notification.permission !== 'granted') return
        const feed = place.kind === 'feed' ? client.layout.feeds.find((one) => one.feed_id === place.id) : undefined
        const thread = place.kind === 'thread' ? client.thread(place.id) : null
        const where = feed?.name ?? thread?.name ?? ''
        const notice = new Notification(shell.noticeFrom(nameOf(client, author_id), where), {
            body: plainText(body, mentionText(client)).slice(0, LONGEST),
            tag: msg_id,
        })
        notice.onclick = () => {
            window.focus()
            location.go(routeTo(place, msg_id))
            notice.close()
        }
    }

    /** Asks the browser; to be called by a click. */
    async allow(): Promise<void> {
        this.asks = false
        await Notification.requestPermission()
    }

    later(): void {
        this.asks = false
        window.sessionStorage.setItem(LATER, '1')
    }
}

export const notices = new Notices()
