/** Permission bits as the server numbers them; masks come as texts and are kept as BigInt. */
export const PERMISSIONS = {
    VIEW_SPACE: 1n << 0n,
    SEND_MESSAGES: 1n << 1n,
    SEND_EMBEDS: 1n << 2n,
    ATTACH_FILES: 1n << 3n,
    ADD_REACTIONS: 1n << 4n,
    READ_HISTORY: 1n << 5n,
    MENTION_EVERYONE: 1n << 6n,
    CONNECT: 1n << 8n,
    SPEAK: 1n << 9n,
    VIDEO: 1n << 10n,
    MUTE_MEMBERS: 1n << 11n,
    DEAFEN_MEMBERS: 1n << 12n,
    MOVE_MEMBERS: 1n << 13n,
    PRIORITY_SPEAKER: 1n << 14n,
    STREAM: 1n << 15n,
    STAGE_MODERATOR: 1n << 16n,
    CREATE_THREADS: 1n << 17n,
    MANAGE_THREADS: 1n << 18n,
    SEND_IN_THREADS: 1n << 19n,
    MANAGE_SPACES: 1n << 24n,
    MANAGE_ROLES: 1n << 25n,
    MANAGE_EMOJI: 1n << 26n,
    MANAGE_WEBHOOKS: 1n << 27n,
    MANAGE_SERVER: 1n << 28n,
    KICK_MEMBERS: 1n << 29n,
    BAN_MEMBERS: 1n << 30n,
    CREATE_INVITES: 1n << 31n,
    CHANGE_NICKNAME: 1n << 32n,
    MANAGE_NICKNAMES: 1n << 33n,
    VIEW_AUDIT_LOG: 1n << 34n,
    MANAGE_MESSAGES: 1n << 35n,
    VIEW_REPORTS: 1n << 36n,
    MANAGE_2FA: 1n << 37n,
    MANAGE_REPORTS: 1n << 38n,
    ADMINISTRATOR: 1n << 62n,
} as const

export type Permission = keyof typeof PERMISSIONS

/** Whether a mask holds a permission; an administrator holds all. */
export function holds(mask: bigint, permission: Permission): boolean {
    return (mask & (PERMISSIONS[permission] | PERMISSIONS.ADMINISTRATOR)) !== 0n
}

/** The mask in a text of the server; nothing where it is none. */
export function maskOf(text: string): bigint {
    return /^[0-9]{1,20}$/.test(text) ? BigInt(text) : 0n
}
