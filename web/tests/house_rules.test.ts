/** What this folder promises about itself: which way imports go, who touches what, and what never stands in markup. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { parse } from 'svelte/compiler'
import { describe, expect, test } from 'vitest'

const SRC = resolve(dirname(fileURLToPath(import.meta.url)), '../src')
const FILES = readdirSync(SRC, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|svelte|css)$/.test(entry.name))
    .map((entry) => relative(SRC, join(entry.parentPath, entry.name)))
const text = (file: string): string => readFileSync(join(SRC, file), 'utf8')

/** Whom a folder may import; `words` are texts, and everybody's who shows any. */
const MAY_IMPORT: Record<string, readonly string[]> = {
    core: [],
    protocol: ['core'],
    api: ['core', 'protocol'],
    words: ['core', 'api'],
    store: ['core', 'protocol', 'api'],
    sync: ['core', 'protocol', 'api', 'store'],
    voice: ['core', 'protocol', 'api', 'store', 'sync', 'words'],
    agent: ['core', 'protocol', 'api', 'store', 'sync', 'words'],
    ui: ['core', 'words'],
    screens: ['core', 'protocol', 'api', 'store', 'sync', 'voice', 'agent', 'ui', 'words'],
}
const PURE = ['core', 'protocol', 'store']

function importsOf(file: string): string[] {
    return [...text(file).matchAll(/(?:from|import\(|import) ?['"](\.[^'"]+)['"]/g)].map((found) =>
        relative(SRC, resolve(SRC, dirname(file), found[1]!)),
    )
}

const folderOf = (path: string): string => path.split('/')[0]!

test('imports go down', () => {
    const wrong = FILES.filter((file) => file.includes('/')).flatMap((file) => {
        const folder = folderOf(file)
        return importsOf(file)
            .filter((target) => folderOf(target) !== folder && !MAY_IMPORT[folder]?.includes(folderOf(target)))
            .map((target) => `${file} → ${target}`)
    })
    expect(wrong).toEqual([])
})

test('core, protocol and store are pure: no page, no clock, no chance', () => {
    const wrong = FILES.filter((file) => PURE.includes(folderOf(file))).filter((file) =>
        /\b(document|window|navigator|fetch|setTimeout|setInterval|localStorage|indexedDB)\b[.(]|Date\.now|Math\.random/.test(
            text(file),
        ),
    )
    expect(wrong).toEqual([])
})

test('only sync opens the database', () => {
    expect(FILES.filter((file) => folderOf(file) !== 'sync' && /indexedDB/.test(text(file)))).toEqual([])
})

test('nothing becomes HTML or code', () => {
    const sinks = /\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:/
    expect(FILES.filter((file) => sinks.test(text(file)))).toEqual([])
})

test('no style attributes: the policy refuses them', () => {
    expect(FILES.filter((file) => /<[^>]*\sstyle="/.test(text(file)))).toEqual([])
})

test('colours stand in tokens.css alone', () => {
    const colour = /#[0-9a-f]{3,8}\b(?=[;\s,)])|\b(?:rgba?|hsla?|oklch|lab)\(/i
    const wrong = FILES.filter((file) => file !== 'ui/tokens.css').filter((file) => {
        const style = file.endsWith('.css') ? text(file) : (/<style>([\s\S]*)<\/style>/.exec(text(file))?.[1] ?? '')
        return colour.test(style)
    })
    expect(wrong).toEqual([])
})

describe('markup has no words of its own', () => {
    const SPOKEN = new Set(['aria-label', 'title', 'placeholder', 'alt', 'label', 'aria-description'])

    test.each(FILES.filter((file) => file.endsWith('.svelte')))('%s', (file) => {
        const found: string[] = []
        walk(parse(text(file), { modern: true }).fragment, (node) => {
            if (node.type === 'Text' && /\p{L}/u.test(String(node.data))) found.push(String(node.data).trim())
            if (node.type === 'Attribute' && Array.isArray(node.value) && !SPOKEN.has(String(node.name))) return false
            return true
        })
        expect(found).toEqual([])
    })
})

type Node = Record<string, unknown>

/** Visits every node; `visit` says whether to go on below it. */
function walk(value: unknown, visit: (node: Node) => boolean): void {
    if (Array.isArray(value)) {
        for (const one of value) walk(one, visit)
    } else if (typeof value === 'object' && value !== null) {
        if ('type' in value && !visit(value as Node)) return
        for (const [key, child] of Object.entries(value)) if (key !== 'parent') walk(child, visit)
    }
}

test('messages to users name who is meant', () => {
    const vague = /\b(?:nobody|somebody)\b/i
    const wrong = FILES.filter((file) => /^words\/(?:en[./]|errors)/.test(file)).flatMap((file) =>
        [...text(file).matchAll(/'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`/g)]
            .map((found) => found[0])
            .filter((message) => vague.test(message))
            .map((message) => `${file}: ${message}`),
    )
    expect(wrong).toEqual([])
})
