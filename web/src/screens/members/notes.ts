/** Notes about people that only their author sees: part of the settings of all devices. */
import type { Id } from '../../core/ids'

export const NOTE_MOST = 500

export function noteOf(settings: Record<string, unknown>, user: Id): string {
    const note = notesOf(settings)[user]
    return typeof note === 'string' ? note : ''
}

export function withNote(settings: Record<string, unknown>, user: Id, text: string): Record<string, unknown> {
    const notes = { ...notesOf(settings) }
    if (text.trim() === '') delete notes[user]
    else notes[user] = text.trim().slice(0, NOTE_MOST)
    return { ...settings, notes }
}

function notesOf(settings: Record<string, unknown>): Record<string, unknown> {
    const { notes } = settings
    return typeof notes === 'object' && notes !== null && !Array.isArray(notes)
        ? (notes as Record<string, unknown>)
        : {}
}
