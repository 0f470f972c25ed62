/** A sentence with a remedy for every error that a request can end with. */
import { ApiError } from '../api/http'
import { spoken } from './language.svelte'

/** By the server's code, or by those of the client itself. */
export const sentences = spoken<Readonly<Record<string, string>>>('errors', {
    NETWORK: 'The server cannot be reached. Check your connection and try again.',
    TIMEOUT: 'The server did not answer in time. Try again.',
    NOT_UNDERSTOOD: 'Something between you and the server answered in its place. Check the address.',
    AUTH_EXPIRED: 'Your login has ended. Log in again.',
    BANNED: 'You are banned from this community.',
    KICKED: 'You were removed from this community. An invite lets you return.',
    NOT_A_MEMBER: 'You have left this community. An invite lets you return.',
    INVITE_INVALID: 'This invite does not exist or was withdrawn. Ask for a new one.',
    INVITE_EXPIRED: 'This invite has expired or is used up. Ask for a new one.',
    '2FA_INVALID_CODE': 'That code is wrong, was used already, or the time for it is over.',
    '2FA_RECOVERY_EXHAUSTED': 'There are no recovery codes left. An administrator can reset your second factor.',
    '2FA_MAX_ATTEMPTS': 'Too many wrong codes. Begin with your password again.',
    WEBAUTHN_FAILED: 'The passkey was not accepted. Try again, or use another way.',
    WEBAUTHN_NOT_CONFIGURED: 'This server does not take passkeys at this address. Use your password.',
    WEBAUTHN_CREDENTIAL_NOT_FOUND: 'There is no passkey for this account. Use your password.',
    MISSING_PERMISSIONS: 'Your roles do not allow this here.',
    FORBIDDEN: 'The server does not allow this.',
    MESSAGE_TOO_LARGE: 'The message is too long. Shorten it and send again.',
    QUOTA_EXCEEDED: 'Your space for files is full. Delete files you no longer need.',
    INSUFFICIENT_STORAGE: 'The server has no disk space left. Tell its operator.',
    TIMED_OUT: 'A moderator has timed you out. You can read, and write again later.',
    VIEWING_AS: 'You are viewing as a role. Leave the view to change something.',
    UNKNOWN: 'The server refused this without saying why.',
})

export const failures = spoken('failures', {
    page: 'Something went wrong in this page. Reload it; what you typed is kept.',
    tooMany: (again: string) => `Too many tries. ${again}`,
    trouble: 'The server has a problem at the moment. Try again soon.',
    busy: (again: string) => `The server is busy. ${again}`,
    seconds: (count: number) => `Try again in ${count} ${count === 1 ? 'second' : 'seconds'}.`,
    minutes: (count: number) => `Try again in ${count} minutes.`,
})

/** What to show for a failure; the server's own words where the client has none for the code. */
export function sentenceOf(error: unknown): string {
    if (!(error instanceof ApiError)) return failures.page
    const known = sentences[error.code]
    if (known !== undefined) return error.retryAfterMs === null ? known : `${known} ${again(error.retryAfterMs)}`
    if (error.status === 429) return failures.tooMany(again(error.retryAfterMs ?? 60_000))
    if (error.status >= 500) {
        return error.retryAfterMs === null ? failures.trouble : failures.busy(again(error.retryAfterMs))
    }
    return error.message || (sentences.UNKNOWN ?? '')
}

function again(ms: number): string {
    const seconds = Math.max(1, Math.ceil(ms / 1000))
    return seconds < 90 ? failures.seconds(seconds) : failures.minutes(Math.ceil(seconds / 60))
}
