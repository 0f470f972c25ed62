/** Messages are written in a small Markdown; everything that is not part of it stays as it was typed. */
import { parseInline } from './inline'
import type { Block, Inline, Item } from './tree'

export type { Block, Inline, Item } from './tree'

const FENCE = /^\s{0,3}```([\p{L}\p{N}_+#.-]{0,32})\s*$/u
const QUOTE = /^> ?/
const BULLET = /^( {0,8})[-*+] (.+)$/
const NUMBER = /^( {0,8})([0-9]{1,9})[.)] (.+)$/
const DEEPEST_LIST = 3

/** The blocks of a message; never throws, and takes time in proportion to the length of the text. */
export function parse(text: string): Block[] {
    return blocks(text.replaceAll('\r\n', '\n').split('\n'), false)
}

/** The words of a tree, as a notice or a quoted line shows them; what is hidden stays hidden. */
export function plainText(text: string, name: (node: Inline) => string): string {
    return parse(text)
        .map((block) => wordsOfBlock(block, name))
        .join(' ')
        .replace(/\s+/g, ' ')
        .trim()
}

function blocks(lines: readonly string[], quoted: boolean): Block[] {
    const found: Block[] = []
    const ends = fenceEnds(lines)
    let paragraph: string[] = []
    const finish = (): void => {
        const text = paragraph.join('\n').replace(/^\n+|\s+$/g, '')
        if (text !== '') found.push({ kind: 'paragraph', children: parseInline(text) })
        paragraph = []
    }
    let at = 0
    while (at < lines.length) {
        const line = lines[at]!
        const end = ends[at]!
        if (end > at) {
            finish()
            const language = FENCE.exec(line)![1]!.toLowerCase()
            found.push({ kind: 'code', language, text: lines.slice(at + 1, end).join('\n') })
            at = end + 1
        } else if (!quoted && QUOTE.test(line)) {
            finish()
            const first = at
            while (at < lines.length && QUOTE.test(lines[at]!)) at += 1
            const inner = lines.slice(first, at).map((one) => one.replace(QUOTE, ''))
            found.push({ kind: 'quote', children: blocks(inner, true) })
        } else if (BULLET.test(line) || NUMBER.test(line)) {
            finish()
            const [list, next] = listAt(lines, at)
            found.push(list)
            at = next
        } else {
            paragraph.push(line)
            at += 1
        }
    }
    finish()
    return found
}

/** For each line that opens a fence, the line that closes it, else -1; found from the end in one pass. */
function fenceEnds(lines: readonly string[]): number[] {
    const ends = new Array<number>(lines.length).fill(-1)
    let close = -1
    for (let at = lines.length - 1; at >= 0; at -= 1) {
        const fence = FENCE.exec(lines[at]!)
        if (fence === null) continue
        ends[at] = close
        if (fence[1] === '') close = at
    }
    return ends
}

function listAt(lines: readonly string[], first: number): [Block, number] {
    const ordered = NUMBER.test(lines[first]!)
    const start = ordered ? Number(NUMBER.exec(lines[first]!)![2]) : 1
    const items: Item[] = []
    let at = first
    for (; at < lines.length; at += 1) {
        const number = NUMBER.exec(lines[at]!)
        const bullet = number === null ? BULLET.exec(lines[at]!) : null
        const indent = (number ?? bullet)?.[1]?.length ?? 0
        if (number === null && bullet === null) break
        if (indent < 2 && (number !== null) !== ordered) break
        const deepest = (items.at(-1)?.depth ?? -1) + 1
        const depth = Math.min(Math.floor(indent / 2), deepest, DEEPEST_LIST)
        const sub = depth > 0 && number !== null ? `${number[2]}. ` : ''
        items.push({ depth, children: parseInline(sub + (number?.[3] ?? bullet![2]!)) })
    }
    return [{ kind: 'list', ordered, start, items }, at]
}

function wordsOfBlock(block: Block, name: (node: Inline) => string): string {
    switch (block.kind) {
        case 'paragraph':
            return wordsOf(block.children, name)
        case 'code':
            return block.text
        case 'quote':
            return block.children.map((inner) => wordsOfBlock(inner, name)).join(' ')
        case 'list':
            return block.items.map((item) => wordsOf(item.children, name)).join(', ')
    }
}

function wordsOf(nodes: readonly Inline[], name: (node: Inline) => string): string {
    return nodes
        .map((node) => {
            switch (node.kind) {
                case 'text':
                case 'code':
                    return node.text
                case 'break':
                    return ' '
                case 'spoiler':
                    return '▒▒▒'
                case 'bold':
                case 'italic':
                case 'strike':
                case 'link':
                    return wordsOf(node.children, name)
                default:
                    return name(node)
            }
        })
        .join('')
}
