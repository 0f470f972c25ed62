/** REST of the chat server: ids as texts, every error as `ApiError`, every wait with a deadline. */

const DEADLINE_MS = 20_000

/** A refusal by the server, or `NETWORK` where it could not be reached, `TIMEOUT` where it did not answer. */
export class ApiError extends Error {
    constructor(
        readonly status: number,
        readonly code: string,
        message: string,
        readonly retryAfterMs: number | null = null,
        readonly details: Readonly<Record<string, unknown>> = {},
    ) {
        super(message)
    }

    /** Whether the same request may succeed later without any change. */
    get isTemporary(): boolean {
        return this.status === 0 || this.status === 429 || this.status >= 500
    }
}

export interface RequestOptions {
    method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
    body?: unknown
    query?: Readonly<Record<string, string | number | undefined>>
    signal?: AbortSignal
    deadlineMs?: number
}

/** Requests to one server, with the token of one login where there is one. */
export class Http {
    constructor(
        readonly server: URL,
        private readonly token: string | null = null,
    ) {}

    withToken(token: string | null): Http {
        return new Http(this.server, token)
    }

    /** The address of a route; `path` begins behind `/api/v1/`. */
    address(path: string, query: RequestOptions['query'] = {}): URL {
        const url = new URL(`api/v1/${path}`, this.server)
        for (const [name, value] of Object.entries(query))
            if (value !== undefined) url.searchParams.set(name, String(value))
        return url
    }

    /** The decoded answer; `undefined` for an empty one. Throws `ApiError`. */
    async request<T>(path: string, options: RequestOptions = {}): Promise<T> {
        const headers: Record<string, string> = { 'x-vox-ids': 'string' }
        if (this.token !== null) headers.authorization = `Bearer ${this.token}`
        const raw = options.body instanceof FormData || options.body instanceof Blob
        if (options.body !== undefined && !raw) headers['content-type'] = 'application/json'
        const deadline = AbortSignal.timeout(options.deadlineMs ?? DEADLINE_MS)
        let response: Response
        let text: string
        try {
            response = await fetch(this.address(path, options.query), {
                method: options.method ?? 'GET',
                headers,
                body:
                    options.body === undefined ? null : raw ? (options.body as FormData) : JSON.stringify(options.body),
                signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
                credentials: 'omit',
                cache: 'no-store',
                referrerPolicy: 'no-referrer',
            })
            text = await response.text()
        } catch (error) {
            if (options.signal?.aborted) throw error
            throw new ApiError(0, deadline.aborted ? 'TIMEOUT' : 'NETWORK', String(error))
        }
        const value = parsed(text)
        if (response.ok && value !== INVALID) return value as T
        throw refusal(response, value)
    }
}

const INVALID = Symbol('not JSON')

function parsed(text: string): unknown {
    if (text === '') return undefined
    try {
        return JSON.parse(text)
    } catch {
        return INVALID
    }
}

function refusal(response: Response, value: unknown): ApiError {
    const body = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
    const error = typeof body.error === 'object' && body.error !== null ? (body.error as Record<string, unknown>) : {}
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
    const retry = typeof error.retry_after_ms === 'number' ? error.retry_after_ms : seconds * 1000
    const code =
        typeof error.code === 'string' ? error.code : response.ok ? 'NOT_UNDERSTOOD' : `HTTP_${response.status}`
    const message = typeof error.message === 'string' ? error.message : ''
    return new ApiError(response.status, code, message, Number.isFinite(retry) ? retry : null, error)
}
