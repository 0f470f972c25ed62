/** Colours for code, loaded when the first block that names its language is shown. A tree comes back, never markup. */
import bash from 'highlight.js/lib/languages/bash'
import c from 'highlight.js/lib/languages/c'
import cpp from 'highlight.js/lib/languages/cpp'
import css from 'highlight.js/lib/languages/css'
import diff from 'highlight.js/lib/languages/diff'
import go from 'highlight.js/lib/languages/go'
import java from 'highlight.js/lib/languages/java'
import javascript from 'highlight.js/lib/languages/javascript'
import json from 'highlight.js/lib/languages/json'
import python from 'highlight.js/lib/languages/python'
import rust from 'highlight.js/lib/languages/rust'
import sql from 'highlight.js/lib/languages/sql'
import typescript from 'highlight.js/lib/languages/typescript'
import xml from 'highlight.js/lib/languages/xml'
import yaml from 'highlight.js/lib/languages/yaml'
import { createLowlight } from 'lowlight'

import type { Colour, Piece } from './code'

const lowlight = createLowlight({
    bash,
    c,
    cpp,
    css,
    diff,
    go,
    java,
    javascript,
    json,
    python,
    rust,
    sql,
    typescript,
    xml,
    yaml,
})

/** Longer code stays without colours: a grammar may take long over what it was not made for. */
const LONGEST = 20_000

const COLOURS: Readonly<Record<string, Colour>> = {
    keyword: 'keyword',
    literal: 'keyword',
    type: 'keyword',
    tag: 'keyword',
    name: 'keyword',
    deletion: 'number',
    string: 'string',
    addition: 'string',
    regexp: 'string',
    number: 'number',
    symbol: 'number',
    meta: 'number',
    comment: 'comment',
    title: 'name',
    attr: 'name',
    attribute: 'name',
    property: 'name',
    section: 'name',
    built_in: 'name',
}

type Nodes = ReturnType<typeof lowlight.highlight>['children']

/** The code in pieces of one colour each; null for a language that is not known. */
export function highlight(text: string, language: string): Piece[] | null {
    if (!lowlight.registered(language) || text.length > LONGEST) return null
    const pieces: Piece[] = []
    const walk = (nodes: Nodes, colour: Colour | null): void => {
        for (const node of nodes) {
            if (node.type === 'text') pieces.push({ text: node.value, colour })
            else if (node.type === 'element')
                walk(node.children as Nodes, colourOf(node.properties.className) ?? colour)
        }
    }
    walk(lowlight.highlight(language, text).children, null)
    return pieces
}

function colourOf(classes: unknown): Colour | null {
    const [first] = Array.isArray(classes) ? (classes as unknown[]) : []
    return typeof first === 'string' ? (COLOURS[first.replace(/^hljs-/, '')] ?? null) : null
}
