/** Routes of one's own account: profile, password, second factors, passkeys, sessions. */
import type { Factor } from './auth'
import type { Profile } from './members'
import type { Asker } from './relationships'

export interface SessionEntry {
    session_id: string
    created_at: number
    expires_at: number
    last_used_at: number | null
    client: string | null
    method: string
    is_current: boolean
}

export interface Factors {
    totp_enabled: boolean
    webauthn_enabled: boolean
    recovery_codes_left: number
}

export interface PasskeyEntry {
    credential_id: string
    name: string | null
    registered_at: number
    last_used_at: number | null
}

export interface FactorSetup {
    setup_id: string
    totp_secret: string | null
    totp_uri: string | null
    creation_options: (PublicKeyCredentialCreationOptionsJSON & { challenge_id?: string }) | null
}

/** What shows that one is still oneself. */
export interface Proof {
    method: Factor
    code?: string
    assertion?: unknown
}

export function readMyself(asker: Asker): Promise<Profile> {
    return asker.request('users/@me')
}

export function changeProfile(asker: Asker, change: { display_name?: string; bio?: string }): Promise<Profile> {
    return asker.request('users/@me', { method: 'PATCH', body: change })
}

export function uploadAvatar(asker: Asker, image: File): Promise<{ avatar: string }> {
    const body = new FormData()
    body.append('image', image)
    return asker.request('users/@me/avatar', { method: 'POST', body, deadlineMs: 60_000 })
}

export function deleteAvatar(asker: Asker): Promise<void> {
    return asker.request('users/@me/avatar', { method: 'DELETE' })
}

export function changePassword(asker: Asker, current_password: string, new_password: string): Promise<void> {
    return asker.request('auth/password', { method: 'POST', body: { current_password, new_password } })
}

export async function readSessions(asker: Asker): Promise<SessionEntry[]> {
    return (await asker.request<{ sessions: SessionEntry[] }>('auth/sessions')).sessions
}

export function endSession(asker: Asker, id: string): Promise<void> {
    return asker.request(`auth/sessions/${id}`, { method: 'DELETE' })
}

export function endOtherSessions(asker: Asker): Promise<void> {
    return asker.request('auth/sessions', { method: 'DELETE' })
}

export function readFactors(asker: Asker): Promise<Factors> {
    return asker.request('auth/2fa')
}

export function beginFactor(asker: Asker, method: 'totp' | 'webauthn'): Promise<FactorSetup> {
    return asker.request('auth/2fa/setup', { method: 'POST', body: { method } })
}

/** Recovery codes where there were none yet. */
export async function confirmFactor(
    asker: Asker,
    body: { setup_id: string; code?: string; attestation?: unknown; credential_name?: string },
): Promise<string[]> {
    const path = 'auth/2fa/setup/confirm'
    return (await asker.request<{ recovery_codes: string[] }>(path, { method: 'POST', body })).recovery_codes
}

/** `code`: of the application, or one for recovery. All other logins end. */
export function removeTotp(asker: Asker, proof: Omit<Proof, 'method'>): Promise<unknown> {
    return asker.request('auth/2fa', { method: 'DELETE', body: { method: 'totp', ...proof } })
}

export async function renewRecoveryCodes(asker: Asker): Promise<string[]> {
    const answer = await asker.request<{ recovery_codes: string[] }>('auth/2fa/recovery-codes', { method: 'POST' })
    return answer.recovery_codes
}

export function readPasskeys(asker: Asker): Promise<PasskeyEntry[]> {
    return asker.request('auth/webauthn/credentials')
}

export function deletePasskey(asker: Asker, id: string): Promise<void> {
    return asker.request(`auth/webauthn/credentials/${encodeURIComponent(id)}`, { method: 'DELETE' })
}

export function startStepUp(asker: Asker): Promise<{
    challenge_id: string
    options: PublicKeyCredentialRequestOptionsJSON
}> {
    return asker.request('auth/step-up/challenge', { method: 'POST' })
}

export function stepUp(asker: Asker, proof: Proof): Promise<unknown> {
    return asker.request('auth/step-up', { method: 'POST', body: proof })
}

/** Asks for one's own data: profile and what names one, without messages. */
export function exportAccount(asker: Asker): Promise<Record<string, unknown>> {
    return asker.request('account/export', { deadlineMs: 60_000 })
}
