/** A sentence with a remedy for every error that a request can end with. */
import { ApiError } from '../api/http'
import { spoken } from './language.svelte'

/** By the server's code, or by those of the client itself. */
export const sentences = spoken<Readonly<Record<string, string>>>('errors', {
    NETWORK: 'The server cannot be reached. Check your connection and try again.',
    TIMEOUT: 'The server did not answer in time. Try again.',
    NOT_UNDERSTOOD: 'Something between you and the server answered in its place. Check the address.',
    VIEWING_AS: 'You are viewing as a role. Leave the view to change something.',
    AUTH_FAILED: 'The server did not accept your name, password or code. Check them and try again.',
    AUTH_EXPIRED: 'Your login has ended. Log in again.',
    AUTH_RATE_LIMITED: 'Too many tries to log in from your network.',
    RATE_LIMITED: 'Too many requests in a short time.',
    '2FA_REQUIRED': 'Your account asks for a second factor. Log in again to show it.',
    '2FA_INVALID_CODE': 'That code is wrong, was used already, or the time for it is over.',
    '2FA_RECOVERY_EXHAUSTED': 'There are no recovery codes left. An administrator can reset your second factor.',
    '2FA_MAX_ATTEMPTS': 'Too many wrong codes. Begin with your password again.',
    '2FA_NOT_ENABLED': 'Your account has no such second factor. Add it first.',
    '2FA_ALREADY_ENABLED': 'Your account has this second factor already.',
    '2FA_SETUP_EXPIRED': 'The time to set up the second factor is over. Begin again.',
    INVALID_METHOD: 'This way to confirm does not exist for your account. Use another one.',
    STEP_UP_REQUIRED: 'Confirm this with your second factor first.',
    WEBAUTHN_FAILED: 'The passkey was not accepted. Try again, or use another way.',
    WEBAUTHN_NOT_CONFIGURED: 'This server does not take passkeys at this address. Use your password.',
    WEBAUTHN_CREDENTIAL_NOT_FOUND: 'There is no passkey for this account. Use your password.',
    OIDC_NOT_CONFIGURED: 'This server has no login by an organisation. Use your password.',
    OIDC_FAILED: 'Your organisation did not confirm the login. Begin it again here.',
    SESSION_NOT_FOUND: 'This login has ended already.',
    BANNED: 'You are banned from this community.',
    KICKED: 'You were removed from this community. An invite lets you return.',
    NOT_A_MEMBER: 'You have left this community. An invite lets you return.',
    INVITE_INVALID: 'This invite does not exist or was withdrawn. Ask for a new one.',
    INVITE_NOT_FOUND: 'This invite does not exist or was withdrawn. Ask for a new one.',
    INVITE_EXPIRED: 'This invite has expired or is used up. Ask for a new one.',
    MISSING_PERMISSIONS: 'Your roles do not allow this here.',
    FORBIDDEN: 'The server does not allow this.',
    ROLE_HIERARCHY: 'Their role stands at or above yours. Ask a member with a higher role.',
    NOT_DM_PARTICIPANT: 'You are not in this conversation any more.',
    USER_BLOCKED: 'One of you has blocked the other. You cannot write here.',
    DM_PERMISSION_DENIED: 'They do not take messages from everyone. Ask them to be friends first.',
    THREAD_LOCKED: 'This thread is locked. A moderator can open it.',
    TIMED_OUT: 'A moderator has timed you out. You can read, and write again later.',
    ACCOUNT_TOO_NEW: 'The community is protected at the moment, and your account is too new to write.',
    JOINS_PAUSED: 'The community takes no new members at the moment.',
    SLOW_MODE: 'This feed is in slow mode.',
    EMPTY_MESSAGE: 'The message is empty. Write something or add a file.',
    MESSAGE_TOO_LARGE: 'The message is too long. Shorten it and send again.',
    MESSAGE_NOT_FOUND: 'This message is gone.',
    INVALID_ATTACHMENT: 'A file of the message is gone or belongs elsewhere. Attach it again.',
    PIN_LIMIT_REACHED: 'As many messages are pinned here as there may be. Unpin one first.',
    USER_NOT_FOUND: 'This person is not here any more.',
    SPACE_NOT_FOUND: 'This place is gone, or you may not see it any more.',
    FILE_NOT_FOUND: 'This file is gone.',
    REPORT_NOT_FOUND: 'This report is gone.',
    REPORT_ASSIGNED: 'Another moderator works on this report.',
    REPORT_RESOLVED: 'This report is resolved already.',
    RULE_NOT_FOUND: 'This rule is gone. Reload the list.',
    TIMEOUT_NOT_FOUND: 'This member is not timed out any more.',
    BAN_NOT_FOUND: 'This ban was lifted already.',
    REQUEST_NOT_FOUND: 'This request was withdrawn or answered already.',
    NOT_FOUND: 'There is nothing here any more.',
    INVALID_TARGET: 'This cannot be done to that person or place.',
    INVALID_TARGET_TYPE: 'This cannot be done to something of that kind.',
    INVALID_OPERATION: 'This is not possible at the moment, or its limit is reached.',
    INVALID_LIMIT: 'There is no such limit. Reload the page.',
    INVALID_USER_ID: 'There is no such person.',
    INVALID_URL: 'This address is not taken. Use a public one that begins with https.',
    INVALID_CATEGORY: 'There is no such category. Choose another one.',
    NAME_TAKEN: 'This name is taken. Choose another one.',
    SETTINGS_CONFLICT: 'Another device changed your settings at the same time. Try again.',
    TOO_MANY_RECIPIENTS: 'There are too many people for one group. Remove some.',
    NOT_GROUP_DM: 'This is a conversation of two. Make a group to add people.',
    PAYLOAD_TOO_LARGE: 'This is too large for the server. Make it smaller.',
    FILE_TOO_LARGE: 'The file is too large for this server. Choose a smaller one.',
    QUOTA_EXCEEDED: 'Your space for files is full. Delete files you no longer need.',
    UNSUPPORTED_MEDIA_TYPE: 'Files of this kind are not taken here. Choose another one.',
    RANGE_NOT_SATISFIABLE: 'This part of the file does not exist. Load it again.',
    INSUFFICIENT_STORAGE: 'The server has no disk space left. Tell its operator.',
    UNAVAILABLE: 'The server is busy at the moment.',
    INTERNAL_ERROR: 'The server made a mistake. Try again; if it stays, tell its operator.',
    GIF_UPSTREAM_ERROR: 'The search for GIFs does not answer. Try again later.',
    GIF_PROVIDER_UNAVAILABLE: 'This server has no search for GIFs at the moment.',
    VOICE_NOT_CONFIGURED: 'This server has no relay, so its rooms carry no voice. Its operator can add one.',
    ROOM_FULL: 'This room is full. Try again when a member has left.',
    NOT_IN_VOICE: 'You are not in the room any more. Join it again.',
    MISSING_ROOM_ID: 'The room was not named. Join it again.',
    NO_PENDING_INVITE: 'The invitation to speak was withdrawn or answered already.',
    ALREADY_IN_VOICE: 'They are in the room already.',
    AGENT_NOT_FOUND: 'There is no agent of this name any more.',
    AGENT_UNAVAILABLE: 'The agents are busy or away.',
    CODE_NOT_FOUND: 'The telephone number leads to no room with this code.',
    CODE_TAKEN: 'Another room has this code. Choose another one.',
    BOT_DISABLED: 'This bot is switched off. Its owner can switch it on.',
    WEBHOOK_NOT_FOUND: 'This webhook is gone.',
    WEBHOOK_TOKEN_INVALID: 'The webhook’s secret is wrong. Copy its address again.',
    CMD_NOT_FOUND: 'There is no such command. Type / to see those there are.',
    CMD_ALREADY_REGISTERED: 'Another bot has a command of this name.',
    COMPONENT_NOT_FOUND: 'This button or menu is gone.',
    INTERACTION_NOT_FOUND: 'The time to answer is over. Begin again.',
    NOT_BOT_MESSAGE: 'This message is not a bot’s.',
    DEVICE_LIMIT_REACHED: 'You have as many devices as there may be. Remove one first.',
    DEVICE_NOT_FOUND: 'This device was removed already.',
    DEVICE_ID_CONFLICT: 'Another device has this name. Choose another one.',
    KEY_BACKUP_NOT_FOUND: 'There is no backup of keys for this account.',
    PAIRING_NOT_FOUND: 'The pairing has expired or was denied. Begin it again.',
    PAIRING_ANSWERED: 'The pairing was answered already.',
    MLS_EPOCH_CONFLICT: 'Another device was faster. Try again.',
    NO_CERT_PINNING: 'This server pins no certificate.',
    FULL_SYNC_REQUIRED: 'Too much has happened since. Reload the page.',
    PROTOCOL_VERSION_MISMATCH: 'This page and the server do not fit together. Reload the page.',
    FED_AUTH_FAILED: 'The other server could not be confirmed. Tell the operators of both.',
    FED_BLOCKED: 'Your server and the other one do not talk to each other.',
    FED_POLICY_DENIED: 'The other server does not allow this.',
    FED_TIMESTAMP_EXPIRED: 'The clocks of the two servers differ too much. Tell their operators.',
    FED_MISSING_TIMESTAMP: 'The other server’s request had no time. Tell its operator.',
    FED_USER_NOT_FOUND: 'The other server knows no such person.',
    FED_NOT_CONFIGURED: 'This server is not connected to others.',
    FED_UNAVAILABLE: 'The other server does not answer. Try again later.',
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

/** Refusals that the server explains better: the rule's own sentence, or which field it does not take. */
export const OWN_WORDS: readonly string[] = ['MESSAGE_BLOCKED', 'VALIDATION_ERROR']

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
