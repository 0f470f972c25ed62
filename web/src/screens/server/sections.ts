/** The sections of the community's settings, and which rights open them. */
import { holds, type Permission } from '../../core/permissions'

const SECTIONS = {
    overview: ['MANAGE_SERVER'],
    roles: ['MANAGE_ROLES'],
    spaces: ['MANAGE_SPACES', 'MANAGE_ROLES'],
    invites: ['CREATE_INVITES', 'MANAGE_SERVER'],
    reports: ['VIEW_REPORTS'],
    bans: ['BAN_MEMBERS', 'KICK_MEMBERS'],
    audit: ['VIEW_AUDIT_LOG'],
    emoji: ['MANAGE_EMOJI'],
    bots: ['MANAGE_SERVER'],
    limits: ['MANAGE_SERVER'],
} as const satisfies Record<string, readonly Permission[]>

export type Section = keyof typeof SECTIONS

/** The sections that hold something for these rights, in order. */
export function sectionsFor(mask: bigint): Section[] {
    return (Object.keys(SECTIONS) as Section[]).filter((name) => SECTIONS[name].some((one) => holds(mask, one)))
}

/** Whether there is more than one's own invites, which have a place of their own. */
export function mayOpenServer(mask: bigint): boolean {
    return sectionsFor(mask).length > 0
}
