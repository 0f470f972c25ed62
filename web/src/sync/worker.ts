/** The worker of a tab: socket, REST, store and IndexedDB. The page has views of it, and never the token. */
import { readFile } from '../api/files'
import { ApiError, Http, type RequestOptions } from '../api/http'
import { nonce } from '../core/nonce'
import { Cache, deleteLogin, readLogin, writeLogin } from './cache'
import { Crew, type Crewed } from './crew'
import { Engine } from './engine'
import { GatewayLink, gatewayAddress, systemClock } from './gateway_link'
import { MemoryStore, type Store } from './store_port'
import type { Command, ToPage, ToWorker, WireError, WireOptions } from './wire'

interface Scope {
    postMessage(message: ToPage): void
    onmessage: ((event: MessageEvent<ToWorker>) => void) | null
}

const page = self as unknown as Scope
const aborts = new Map<number, AbortController>()
let engine: Engine | null = null
let crew: Crew | null = null
let token = ''
let forget: (() => Promise<void>) | null = null

async function start(server: string, given: (ToWorker & { t: 'start' })['login']): Promise<void> {
    const stored = given === null ? await readLogin(server).catch(() => null) : null
    const login = given ?? (stored === null ? null : { ...stored, shared: false })
    if (login === null) return page.postMessage({ t: 'started', found: false })
    if (given !== null && !given.shared) {
        const { token, user_id } = given
        await writeLogin({ server, token, user_id }).catch(() => undefined)
    }
    token = login.token
    const store: Store = login.shared
        ? new MemoryStore()
        : await Cache.open(server, login.user_id).catch(() => new MemoryStore())
    const http = new Http(new URL(server), login.token)
    const made = new Engine(
        http,
        login.user_id,
        store,
        {
            changes: (state, views) => page.postMessage({ t: 'changes', state, views }),
            told: (type, d) => page.postMessage({ t: 'told', type, d }),
        },
        systemClock,
    )
    engine = made
    forget = async () => {
        if (!login.shared) await deleteLogin(server, login.token).catch(() => undefined)
    }
    await made.start()
    made.runner.active = true
    const name = `vox ${server} ${login.user_id}`
    const crewed: Crewed = {
        get state() {
            return made.state
        },
        user: made.user,
        get clockOffset() {
            return made.clockOffset
        },
        get connectionNow() {
            return made.connectionNow
        },
        adopt: (state, offset) => made.adopt(state, offset),
        ready: (ready) => made.ready(ready),
        resumed: () => made.resumed(),
        event: (frame) => made.event(frame),
        connection: (connection) => made.connection(connection),
        ended: (code, detail) => {
            if (code !== 'VERSION') void forget?.()
            made.ended(code, detail)
        },
    }
    // Locks are missing at addresses that are not encrypted; a login that is not stored is this tab's alone.
    const alone = login.shared || navigator.locks === undefined
    crew = new Crew(
        crewed,
        {
            open: (host, session) =>
                new GatewayLink(login.token, gatewayAddress(new URL(server)), host, systemClock, undefined, session),
            channel: alone ? null : new BroadcastChannel(name),
            lead: (take, lost) =>
                alone
                    ? Promise.resolve()
                    : new Promise((leads) => {
                          const held = navigator.locks.request(name, { steal: take }, () => {
                              leads()
                              return new Promise<void>(() => undefined)
                          })
                          held.catch(lost)
                      }),
            every: (ms, work) => systemClock.every(ms, work),
            leads: () => void made.takeOutbox(),
            notice: (notice) => page.postMessage({ t: 'told', type: 'notice', d: { ...notice } }),
            now: () => systemClock.now(),
        },
        nonce(),
    )
    made.link = crew
    page.postMessage({ t: 'started', found: true })
    made.flush()
    crew.start()
}

function optionsOf(options: WireOptions, signal: AbortSignal): RequestOptions {
    const { form, ...rest } = options
    if (form === undefined) return { ...rest, signal }
    const body = new FormData()
    for (const [name, value] of form) body.append(name, value)
    return { ...rest, body, signal }
}

async function obey(made: Engine, command: Command, signal: AbortSignal): Promise<unknown> {
    switch (command.do) {
        case 'request':
            return made.http.request(command.path, optionsOf(command.options, signal))
        case 'download':
            return readFile(made.http.address(command.path), token, signal)
        case 'leaveDm':
            await made.http.request(`dms/${command.dm}`, { method: 'DELETE' })
            return made.left(command.dm)
        case 'logOut':
            try {
                await made.http.request('auth/logout', { method: 'POST', deadlineMs: 5_000 })
            } finally {
                made.stop()
                await forget?.()
                await made.store.wipe().catch(() => undefined)
            }
            return undefined
    }
    const view = made.view(command.view)
    if (view === null) return undefined
    switch (command.do) {
        case 'loadOlder':
            return view.loadOlder()
        case 'loadNewer':
            return view.loadNewer()
        case 'jump':
            return view.jump(command.to)
        case 'fillGap':
            return view.fillGap(command.before, command.after)
        case 'edit':
            return view.edit(command.id, command.body)
        case 'remove':
            return view.remove(command.id)
        case 'react':
            return view.react(command.id, command.emoji, command.on)
        case 'pin':
            return view.pin(command.id, command.on)
        case 'markUnreadFrom':
            return made.marks.unreadFrom(view, command.id)
    }
}

function errorOf(error: unknown): WireError {
    if (error instanceof ApiError) {
        const { status, code, message, retryAfterMs, details } = error
        return { status, code, message, retryAfterMs, details: { ...details } }
    }
    return { status: 0, code: 'FAILED', message: String(error), retryAfterMs: null, details: {} }
}

async function call(made: Engine, id: number, command: Command): Promise<void> {
    const abort = new AbortController()
    aborts.set(id, abort)
    try {
        const value = await obey(made, command, abort.signal)
        // What the command changed reaches the page before its answer: who waited for it finds it there.
        made.flush()
        page.postMessage({ t: 'answer', id, value })
    } catch (error) {
        page.postMessage({ t: 'refused', id, error: errorOf(error) })
    } finally {
        aborts.delete(id)
    }
}

page.onmessage = ({ data }) => {
    if (data.t === 'start') return void start(data.server, data.login)
    const made = engine
    if (made === null) return
    switch (data.t) {
        case 'call':
            return void call(made, data.id, data.command)
        case 'abort':
            return aborts.get(data.id)?.abort()
        case 'open':
            return made.openView(data.view, data.place)
        case 'close':
            return made.closeView(data.view)
        case 'follow':
            return made.view(data.view)?.setFollow(data.on)
        case 'draft':
            return made.setDraft(data.place, data.text)
        case 'send': {
            const { t: _, place, nonce, ...content } = data
            return made.send(place, nonce, content)
        }
        case 'retry':
            return void made.runner.retry(data.nonce)
        case 'discard':
            return void made.runner.discard(data.nonce)
        case 'markRead': {
            const view = made.view(data.view)
            return view === null ? undefined : made.marks.read(view, data.id)
        }
        case 'typing':
            return made.isTyping(data.place)
        case 'attend':
            return crew?.attend(data.place)
        case 'readAll':
            return made.marks.readAll(data.place)
        case 'members':
            return made.addMembers(data.members)
        case 'threads':
            return made.learnThreads(data.threads)
        case 'want':
            return made.wantMembers(data.members)
        case 'say':
            return made.link?.say({ type: data.type, d: data.d })
        case 'wake':
            return made.link?.wake(data.slept)
        case 'network':
            return made.link?.network(data.on)
    }
}
