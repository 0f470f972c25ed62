/** Routes of reports, bans and time-outs. */
import type { Id } from '../core/ids'
import type { Asker } from './threads'

export interface ReportLine {
    report_id: Id
    reporter_id: Id | null
    reported_user_id: Id
    reason: string
    status: 'open' | 'resolved'
    /** Unix seconds. */
    created_at: number
    assignee_id?: Id
    rule_id?: Id
}

export interface Report extends ReportLine {
    feed_id: Id | null
    msg_id: Id | null
    dm_id: Id | null
    description: string | null
    evidence: { msg_id: Id; body: string | null; timestamp: number | null }[]
    action: string | null
    resolver_id?: Id
}

export type Act =
    | { type: 'delete_message' }
    | { type: 'timeout'; seconds: number; reason?: string }
    | { type: 'kick'; reason?: string }
    | { type: 'ban'; reason?: string; delete_msg_days: number }

interface Page<T> {
    items: T[]
    cursor: Id | null
}

export const PAGE_OF_REPORTS = 50

export function readReports(asker: Asker, status: 'open' | 'resolved', after?: Id): Promise<Page<ReportLine>> {
    return asker.request('reports', { query: { status, limit: PAGE_OF_REPORTS, after } })
}

export function readReport(asker: Asker, id: Id): Promise<Report> {
    return asker.request<Report>(`reports/${id}`)
}

/** Takes a report up, or gives it back. */
export function assignReport(asker: Asker, id: Id, on: boolean, force: boolean): Promise<void> {
    const body = { ...(on ? {} : { assignee_id: '0' }), force }
    return asker.request<void>(`reports/${id}/assign`, { method: 'POST', body })
}

/** Does all of it and closes the report, or nothing. */
export function actOnReport(asker: Asker, id: Id, actions: Act[], note: string, force: boolean): Promise<void> {
    const body = { actions, force, ...(note === '' ? {} : { note }) }
    return asker.request<void>(`reports/${id}/act`, { method: 'POST', body })
}

export function deleteReport(asker: Asker, id: Id): Promise<void> {
    return asker.request<void>(`reports/${id}`, { method: 'DELETE' })
}

export interface Ban {
    user_id: Id
    display_name: string
    reason: string | null
    created_at: number
}

export interface Timeout {
    user_id: Id
    until: number
    reason: string | null
    actor_id: Id | null
}

export const PAGE_OF_BANS = 50

export function readBans(asker: Asker, after?: Id): Promise<Page<Ban>> {
    return asker.request('bans', { query: { limit: PAGE_OF_BANS, after } })
}

export function liftBan(asker: Asker, user: Id): Promise<void> {
    return asker.request<void>(`bans/${user}`, { method: 'DELETE' })
}

export function readTimeouts(asker: Asker, after?: Id): Promise<Page<Timeout>> {
    return asker.request('moderation/timeouts', { query: { limit: PAGE_OF_BANS, after } })
}

export function endTimeout(asker: Asker, user: Id): Promise<void> {
    return asker.request<void>(`members/${user}/timeout`, { method: 'DELETE' })
}
