/** What `@`, `#` and `:` offer while one types, and `/` at the beginning of a message. */
import { best } from '../../core/fuzzy/match'
import type { Id } from '../../core/ids'
import type { Command } from './commands'

export interface Suggestion {
    key: string
    label: string
    /** More about it, in a quieter colour. */
    note?: string
    /** What stands in the text when it is taken. */
    text: string
}

export interface Asked {
    sign: '@' | '#' | ':' | '/'
    query: string
    /** Where the sign stands. */
    start: number
}

export const MOST = 8
const ASKED = /(?:^|[\s(])([@#:])([\p{L}\p{N}_.+-]{0,32})$/u

/** What is being asked for at the caret; null where nothing is. An emoji needs two letters, as `:)` is none. */
export function askedAt(text: string, caret: number): Asked | null {
    const command = /^\/([\p{L}\p{N}_-]{0,32})$/u.exec(text.slice(0, caret))
    if (command !== null) return { sign: '/', query: command[1]!, start: 0 }
    const found = ASKED.exec(text.slice(Math.max(0, caret - 40), caret))
    if (found === null) return null
    const sign = found[1] as Asked['sign']
    const query = found[2]!
    if (sign === ':' && query.length < 2) return null
    return { sign, query, start: caret - query.length - 1 }
}

export interface Person {
    user_id: Id
    username: string
    display_name?: string | null
    nickname?: string | null
}

/** People, and everyone where one may tell all. `recent` come first of those who fit equally well. */
export function people(known: Iterable<Person>, query: string, everyone: boolean): Suggestion[] {
    const found = best(known, query, (one) => namesOf(one), MOST)
    const suggestions = found.map((one) => ({
        key: one.user_id,
        label: namesOf(one).at(-1) === one.username ? one.username : `${namesOf(one).at(-1)} (${one.username})`,
        text: `<@${one.user_id}> `,
    }))
    const all = { key: '0', label: '@everyone', text: '@everyone ' }
    return everyone && query !== '' && 'everyone'.startsWith(query) ? [all, ...suggestions].slice(0, MOST) : suggestions
}

export function feeds(known: Iterable<{ feed_id: Id; name: string }>, query: string): Suggestion[] {
    return best(known, query, (one) => [one.name], MOST).map((one) => ({
        key: one.feed_id,
        label: `#${one.name}`,
        text: `<#${one.feed_id}> `,
    }))
}

export function emoji(known: Iterable<{ sign: string; words: readonly string[] }>, query: string): Suggestion[] {
    return best(known, query, (one) => one.words, MOST).map((one) => ({
        key: one.sign,
        label: `${one.sign} ${one.words[0]}`,
        text: `${one.sign} `,
    }))
}

export function commands(known: Iterable<Command>, query: string): Suggestion[] {
    return best(known, query, (one) => [one.name], MOST).map((one) => {
        const params = (one.params ?? []).map(({ name, required }) => (required ? name : `[${name}]`)).join(' ')
        return {
            key: one.name,
            label: `/${one.name}${params === '' ? '' : ` ${params}`}`,
            note: one.description ?? '',
            text: `/${one.name} `,
        }
    })
}

function namesOf({ username, display_name, nickname }: Person): string[] {
    return [username, display_name, nickname].filter((name): name is string => Boolean(name))
}
