/** Text within a line. One pass: each kind of mark is open at most once, so that undoing an unclosed one stays cheap. */
import { isId } from '../ids'
import { addressAt, linkTarget } from './links'
import type { Inline } from './tree'

type Mark = 'bold' | 'italic' | 'underline' | 'strike' | 'spoiler' | 'link'

interface Frame {
    mark: Mark
    /** What stands there if it is never closed. */
    literal: string
    children: Inline[]
}

const ESCAPABLE = /[\\`*_~|[\]()<>:@#>!.\-+]/
const WORD = /[\p{L}\p{N}]/u
const SPACE = /\s/
const EMOJI = /:([\p{L}\p{N}_+-]{1,64}):/uy
const MENTION = /<(@&|@!?|#)([1-9][0-9]{0,18})>/y
const EVERYONE = /@(?:everyone|here)(?![\p{L}\p{N}_])/uy

export function parseInline(text: string): Inline[] {
    return new Parser(text).parse()
}

class Parser {
    private at = 0
    private literal = ''
    /** Up to where no address begins: what was looked through in vain is not looked through again. */
    private searched = 0
    private readonly stack: Frame[] = []
    private readonly root: Inline[] = []
    private readonly closings: Map<number, number>

    constructor(private readonly text: string) {
        this.closings = closingTicks(text)
    }

    parse(): Inline[] {
        while (this.at < this.text.length) if (!this.special()) this.literal += this.text[this.at++]
        while (this.stack.length > 0) this.giveUp()
        this.flush()
        return this.root
    }

    /** Takes what is more than a letter at this position; false where it is one. */
    private special(): boolean {
        const { text, at } = this
        switch (text[at]) {
            case '\n':
                return this.add({ kind: 'break' }, 1)
            case '\\':
                if (!ESCAPABLE.test(text[at + 1] ?? '')) return false
                this.literal += text[at + 1]
                this.at += 2
                return true
            case '`':
                return this.code()
            case '*':
            case '_':
                return this.stars(text[at]!)
            case '~':
                return text[at + 1] === '~' && this.toggle('strike', '~~')
            case '|':
                return text[at + 1] === '|' && this.toggle('spoiler', '||')
            case '[':
                return this.bracket()
            case ']':
                return this.closeBracket()
            case '<':
                return this.angle()
            case '@':
                return this.everyone()
            case ':':
                return this.emoji()
            case 'h':
            case 'H':
                return this.address()
            default:
                return false
        }
    }

    private code(): boolean {
        const length = runLength(this.text, this.at)
        const end = this.closings.get(this.at)
        if (end === undefined) {
            this.literal += this.text.slice(this.at, this.at + length)
            this.at += length
            return true
        }
        let inner = this.text.slice(this.at + length, end).replaceAll('\n', ' ')
        if (/^ .*[^ ].* $/.test(inner) || /^ [^ ] $/.test(inner)) inner = inner.slice(1, -1)
        return this.add({ kind: 'code', text: inner }, end + length - this.at)
    }

    /** `**` and `__` are bold, `*` and `_` italic; which of two open ones closes is told by the one opened last. */
    private stars(sign: string): boolean {
        const bold: Mark = sign === '*' ? 'bold' : 'underline'
        const double = this.text[this.at + 1] === sign
        const inner = this.stack.findLast((frame) => frame.literal === sign || frame.literal === sign + sign)
        if (inner?.literal === sign && this.canClose(sign)) return this.toggle('italic', sign)
        return (double && this.toggle(bold, sign + sign)) || this.toggle('italic', sign)
    }

    private toggle(mark: Mark, sign: string): boolean {
        const open = this.stack.findLastIndex((frame) => frame.mark === mark)
        if (open >= 0) {
            if (this.stack[open]!.literal !== sign || !this.canClose(sign)) return false
            this.flush()
            if (this.stack[open]!.children.length === 0 && open === this.stack.length - 1) return false
            while (this.stack.length > open + 1) this.giveUp()
            this.flush()
            const { children } = this.stack.pop()!
            const kind = mark === 'underline' ? 'bold' : (mark as 'bold' | 'italic' | 'strike' | 'spoiler')
            return this.add({ kind, children }, sign.length)
        }
        if (!this.canOpen(sign)) return false
        this.open(mark, sign)
        return true
    }

    private canOpen(sign: string): boolean {
        const next = this.text[this.at + sign.length]
        if (next === undefined || (SPACE.test(next) && sign !== '||')) return false
        return sign[0] !== '_' || !WORD.test(this.before())
    }

    private canClose(sign: string): boolean {
        if (SPACE.test(this.before()) && sign !== '||') return false
        return sign[0] !== '_' || !WORD.test(this.text[this.at + sign.length] ?? '')
    }

    private before(): string {
        return this.text[this.at - 1] ?? ' '
    }

    private bracket(): boolean {
        const open = this.stack.findLastIndex((frame) => frame.mark === 'link')
        while (open >= 0 && this.stack.length > open) this.giveUp()
        this.open('link', '[')
        return true
    }

    private closeBracket(): boolean {
        const open = this.stack.findLastIndex((frame) => frame.mark === 'link')
        if (open < 0) return false
        const target = this.text[this.at + 1] === '(' ? linkTarget(this.text, this.at + 2) : null
        this.flush()
        const empty = this.stack.length === open + 1 && this.stack[open]!.children.length === 0
        if (target === null || empty) {
            while (this.stack.length > open) this.giveUp()
            return false
        }
        while (this.stack.length > open + 1) this.giveUp()
        this.flush()
        const { children } = this.stack.pop()!
        return this.add({ kind: 'link', href: target.href, plain: false, children }, target.end - this.at)
    }

    private angle(): boolean {
        MENTION.lastIndex = this.at
        const mention = MENTION.exec(this.text)
        if (mention && isId(mention[2])) {
            const kind = mention[1] === '#' ? 'feed' : mention[1] === '@&' ? 'role' : 'user'
            return this.add({ kind, id: mention[2] }, mention[0].length)
        }
        const found = addressAt(this.text, this.at + 1)
        if (!found?.href || this.text[found.end] !== '>') return false
        return this.add(plainLink(found.href, found.text), found.end + 1 - this.at)
    }

    private everyone(): boolean {
        EVERYONE.lastIndex = this.at
        const found = EVERYONE.exec(this.text)
        if (found?.[0] !== '@everyone' || WORD.test(this.before())) return false
        return this.add({ kind: 'everyone' }, found[0].length)
    }

    private emoji(): boolean {
        EMOJI.lastIndex = this.at
        const found = EMOJI.exec(this.text)
        if (found === null || WORD.test(this.before())) return false
        return this.add({ kind: 'emoji', name: found[1]! }, found[0].length)
    }

    private address(): boolean {
        if (WORD.test(this.before()) || this.stack.some((frame) => frame.mark === 'link')) return false
        if (this.at < this.searched) return false
        const found = addressAt(this.text, this.at)
        if (found === null) return false
        this.searched = found.end
        return found.href !== null && this.add(plainLink(found.href, found.text), found.end - this.at)
    }

    private open(mark: Mark, literal: string): void {
        this.flush()
        this.stack.push({ mark, literal, children: [] })
        this.at += literal.length
    }

    private add(node: Inline, length: number): true {
        this.flush()
        this.children().push(node)
        this.at += length
        return true
    }

    private children(): Inline[] {
        return this.stack.at(-1)?.children ?? this.root
    }

    private flush(): void {
        if (this.literal !== '') appendText(this.children(), this.literal)
        this.literal = ''
    }

    /** Makes the mark that was opened last plain text. */
    private giveUp(): void {
        this.flush()
        const { literal, children } = this.stack.pop()!
        const into = this.children()
        appendText(into, literal)
        for (const node of children) {
            if (node.kind === 'text') appendText(into, node.text)
            else into.push(node)
        }
    }
}

function appendText(into: Inline[], text: string): void {
    const last = into.at(-1)
    if (last?.kind === 'text') last.text += text
    else into.push({ kind: 'text', text })
}

function plainLink(href: string, text: string): Inline {
    return { kind: 'link', href, plain: true, children: [{ kind: 'text', text }] }
}

function runLength(text: string, at: number): number {
    let end = at
    while (text[end] === '`') end += 1
    return end - at
}

/** For each run of backticks the next run of the same length, found in one pass from the end. */
function closingTicks(text: string): Map<number, number> {
    const runs: { at: number; length: number }[] = []
    for (let at = text.indexOf('`'); at >= 0; at = text.indexOf('`', at)) {
        const length = runLength(text, at)
        runs.push({ at, length })
        at += length
    }
    const closings = new Map<number, number>()
    const next = new Map<number, number>()
    for (const { at, length } of runs.reverse()) {
        const end = next.get(length)
        if (end !== undefined) closings.set(at, end)
        next.set(length, at)
    }
    return closings
}
