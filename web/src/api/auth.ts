/** The routes that need no login: who the server is, registering, logging in. */
import type { Id } from '../core/ids'
import { ApiError, type Http } from './http'

export interface ClientInfo {
    name: string
    icon: string | null
    description: string | null
    registration: 'open' | 'invite' | 'closed'
    needs_setup: boolean
    login_methods: string[]
    gateway_url: string | null
    agent_url: string | null
    protocol_version: number
    capabilities: string[]
    features: { signed_media: boolean; gifs: boolean; push: { public_key: string } | null }
    limits: Record<string, number>
}

export interface Session {
    user_id: Id
    token: string
}

export type Factor = 'totp' | 'webauthn' | 'recovery'

/** A password was right, and a second factor is asked for; the ticket lives five minutes. */
export interface Ticket {
    ticket: string
    methods: Factor[]
}

export function readClientInfo(http: Http): Promise<ClientInfo> {
    return http.request('client')
}

export function register(
    http: Http,
    body: { username: string; password: string; invite_code?: string; setup_token?: string },
): Promise<Session> {
    return http.request('auth/register', { method: 'POST', body })
}

/** Logs in by password: a session, or a ticket for the second factor. */
export async function logIn(
    http: Http,
    body: { username: string; password: string; invite_code?: string },
): Promise<Session | Ticket> {
    try {
        return await http.request<Session>('auth/login', { method: 'POST', body })
    } catch (error) {
        if (
            error instanceof ApiError &&
            error.code === '2FA_REQUIRED' &&
            typeof error.details.mfa_ticket === 'string'
        ) {
            const methods = error.details.available_methods
            return {
                ticket: error.details.mfa_ticket,
                methods: Array.isArray(methods) ? (methods as Factor[]) : ['totp'],
            }
        }
        throw error
    }
}

export function logInWithFactor(
    http: Http,
    body: { mfa_ticket: string; method: Factor; code?: string; assertion?: unknown; invite_code?: string },
): Promise<Session> {
    return http.request('auth/login/2fa', { method: 'POST', body })
}

export function startPasskeyLogin(
    http: Http,
    body: { username?: string; mfa_ticket?: string },
): Promise<{ challenge_id: string; options: PublicKeyCredentialRequestOptionsJSON }> {
    return http.request('auth/login/webauthn/challenge', { method: 'POST', body })
}

export function logInWithPasskey(http: Http, body: Record<string, unknown>): Promise<Session> {
    return http.request('auth/login/webauthn', { method: 'POST', body })
}

/** What an invite says before anyone has joined. */
export interface InviteView {
    code: string
    server_name: string
    server_icon: string | null
}

export function readInvite(http: Http, code: string): Promise<InviteView> {
    return http.request(`invites/${encodeURIComponent(code)}`)
}
