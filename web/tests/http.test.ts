import { afterEach, expect, test, vi } from 'vitest'

import { ApiError, Http } from '../src/api/http'
import { logIn } from '../src/api/auth'
import { sentenceOf } from '../src/words/errors'

const http = new Http(new URL('https://chat.example/'), 'secret')

function answering(status: number, body: unknown, headers: Record<string, string> = {}) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const answer = vi.fn(async (_url: URL, _init: RequestInit) => new Response(text, { status, headers }))
    vi.stubGlobal('fetch', answer)
    return answer
}

async function refused(work: Promise<unknown>): Promise<ApiError> {
    const error = await work.then(
        () => null,
        (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(ApiError)
    return error as ApiError
}

afterEach(() => vi.unstubAllGlobals())

test('ids are asked for as texts, and the token stands in a header only', async () => {
    const fetched = answering(200, { feed_id: '9007199254740993' })
    expect(await http.request('feeds/1', { query: { limit: 5, after: undefined } })).toEqual({
        feed_id: '9007199254740993',
    })
    const [url, init] = fetched.mock.calls[0]!
    expect(String(url)).toBe('https://chat.example/api/v1/feeds/1?limit=5')
    expect(init.headers).toEqual({ 'x-vox-ids': 'string', authorization: 'Bearer secret' })
})

test('a refusal keeps code, message, and when to try again', async () => {
    answering(429, { error: { code: 'RATE_LIMITED', message: 'Slow down.', retry_after_ms: 4200 } })
    const error = await refused(http.request('feeds'))
    expect([error.code, error.retryAfterMs, error.isTemporary]).toEqual(['RATE_LIMITED', 4200, true])
    expect(sentenceOf(error)).toContain('5 seconds')
})

test.each([
    [502, '<html>Bad gateway</html>', 'HTTP_502'],
    [200, '<html>captive portal</html>', 'NOT_UNDERSTOOD'],
    [404, '', 'HTTP_404'],
    [400, '[1]', 'HTTP_400'],
])('what is no answer of ours is an error too (%i)', async (status, body, code) => {
    answering(status, body)
    const error = await refused(http.request('server'))
    expect(error.code).toBe(code)
    expect(sentenceOf(error)).toMatch(/\.$/)
})

test('an unreachable server is NETWORK', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed')))
    expect((await refused(http.request('server'))).code).toBe('NETWORK')
})

test('a second factor is a ticket, not a failure', async () => {
    answering(401, { error: { code: '2FA_REQUIRED', message: '', mfa_ticket: 'mfa_1', available_methods: ['totp'] } })
    expect(await logIn(http, { username: 'ada', password: 'x' })).toEqual({ ticket: 'mfa_1', methods: ['totp'] })
})
