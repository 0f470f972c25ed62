import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { misleads, safeAddress } from '../src/core/markdown/links'
import { parse, plainText, type Block, type Inline } from '../src/core/markdown/parse'

const text = (value: string): Inline => ({ kind: 'text', text: value })

function line(source: string): Inline[] {
    const [block] = parse(source)
    return block?.kind === 'paragraph' ? block.children : []
}

describe('marks', () => {
    it('are bold, italic, struck, hidden and code', () => {
        expect(line('**a** *b* _c_ ~~d~~ ||e|| `f`')).toEqual([
            { kind: 'bold', children: [text('a')] },
            text(' '),
            { kind: 'italic', children: [text('b')] },
            text(' '),
            { kind: 'italic', children: [text('c')] },
            text(' '),
            { kind: 'strike', children: [text('d')] },
            text(' '),
            { kind: 'spoiler', children: [text('e')] },
            text(' '),
            { kind: 'code', text: 'f' },
        ])
    })

    it('nest in both orders', () => {
        expect(line('**a *b***')).toEqual([
            { kind: 'bold', children: [text('a '), { kind: 'italic', children: [text('b')] }] },
        ])
        expect(line('*a **b***')).toEqual([
            { kind: 'italic', children: [text('a '), { kind: 'bold', children: [text('b')] }] },
        ])
    })

    it.each([
        'a_b_c',
        '2 * 3 * 4',
        '**',
        '****',
        '~~a',
        '||',
        '*a',
        'snake_case_name',
        '`a',
        '<@abc>',
        ':)',
        '10:30:20x',
        'a|b',
        '[a]',
        '[a](javascript:alert(1))',
        '<b>x</b>',
    ])('that are none stay as they were typed: %s', (source) => {
        expect(plainText(source, () => '?')).toBe(source)
        expect(line(source).every((node) => node.kind === 'text' || node.kind === 'emoji')).toBe(true)
    })

    it('can be escaped', () => {
        expect(line('\\*a\\*')).toEqual([text('*a*')])
    })

    it('do not hold in code', () => {
        expect(line('`` a ` **b** ``')).toEqual([{ kind: 'code', text: 'a ` **b**' }])
    })
})

describe('mentions and links', () => {
    it('are users, roles, feeds, everyone and emoji', () => {
        expect(line('<@12> <@&13> <#14> @everyone :wave:').filter((node) => node.kind !== 'text')).toEqual([
            { kind: 'user', id: '12' },
            { kind: 'role', id: '13' },
            { kind: 'feed', id: '14' },
            { kind: 'everyone' },
            { kind: 'emoji', name: 'wave' },
        ])
    })

    it('leave the punctuation of the sentence outside', () => {
        expect(line('see (https://a.example/b_(c)).')).toEqual([
            text('see ('),
            {
                kind: 'link',
                href: 'https://a.example/b_(c)',
                plain: true,
                children: [text('https://a.example/b_(c)')],
            },
            text(').'),
        ])
    })

    it('have a text of their own', () => {
        expect(line('[a *b*](https://c.example)')).toEqual([
            {
                kind: 'link',
                href: 'https://c.example/',
                plain: false,
                children: [text('a '), { kind: 'italic', children: [text('b')] }],
            },
        ])
    })

    it.each(['javascript:alert(1)', 'data:text/html,x', 'vbscript:x', ' https://a', 'file:///etc/passwd', '//a.b'])(
        'lead nowhere but to pages and letters: %s',
        (address) => expect(safeAddress(address)).toBeNull(),
    )

    it('say when their text names another host', () => {
        expect(misleads('https://bank.example/login', 'https://evil.example/')).toBe(true)
        expect(misleads('bank.example', 'https://evil.example/')).toBe(true)
        expect(misleads('www.bank.example', 'https://bank.example/x')).toBe(false)
        expect(misleads('the bank', 'https://evil.example/')).toBe(false)
    })
})

describe('blocks', () => {
    it('are paragraphs, fences, quotes and lists', () => {
        expect(parse('a\nb\n```ts\nlet x = **1**\n```\n> q\n- one\n  - two\n1. first')).toEqual<Block[]>([
            { kind: 'paragraph', children: [text('a'), { kind: 'break' }, text('b')] },
            { kind: 'code', language: 'ts', text: 'let x = **1**' },
            { kind: 'quote', children: [{ kind: 'paragraph', children: [text('q')] }] },
            {
                kind: 'list',
                ordered: false,
                start: 1,
                items: [
                    { depth: 0, children: [text('one')] },
                    { depth: 1, children: [text('two')] },
                ],
            },
            { kind: 'list', ordered: true, start: 1, items: [{ depth: 0, children: [text('first')] }] },
        ])
    })

    it('without an end are text', () => {
        expect(parse('```ts\nlet x')).toEqual([
            { kind: 'paragraph', children: [text('```ts'), { kind: 'break' }, text('let x')] },
        ])
    })
})

const pieces = fc
    .array(
        fc.constantFrom(
            '*',
            '**',
            '_',
            '__',
            '~~',
            '||',
            '`',
            '``',
            '```',
            '\n',
            '> ',
            '- ',
            '1. ',
            '[',
            '](',
            ')',
            ' ',
            'a',
            'https://x.y',
            '<@1>',
            '<',
            ':',
            ':a:',
            '@everyone',
            '\\',
            '\u202e',
            '😀',
            '\ud800',
        ),
        { maxLength: 200 },
    )
    .map((parts) => parts.join(''))

describe('any text', () => {
    it('is parsed, and none of its letters is lost', () => {
        fc.assert(
            fc.property(fc.oneof(pieces, fc.string({ unit: 'binary' })), (source) => {
                const kept = letters(parse(source))
                expect(kept).toBe([...source].filter((sign) => /[a\u202e😀]/u.test(sign)).length)
            }),
            { numRuns: 3000 },
        )
    })

    it.each([
        '*',
        '_a ',
        '[',
        '[](',
        '`',
        '` `` ',
        '> ',
        '||',
        '**a ',
        '<@',
        'https://',
        ':a',
        '```\n',
        '- *a\n',
        '](https://a',
    ])('takes steps in proportion to its length: %s', (piece) => {
        const cost = (count: number): number => {
            const source = piece.repeat(count)
            const before = process.cpuUsage()
            parse(source)
            return process.cpuUsage(before).user / 1000
        }
        cost(2000)
        const small = Math.min(cost(2000), cost(2000), cost(2000))
        const large = Math.min(cost(16_000), cost(16_000), cost(16_000))
        expect(large).toBeLessThan(Math.max(40, small * 32))
    })
})

function letters(blocks: readonly Block[]): number {
    return blocks.reduce((sum, block) => {
        if (block.kind === 'code') return sum + count(block.text) + count(block.language)
        if (block.kind === 'quote') return sum + letters(block.children)
        if (block.kind === 'list') return sum + block.items.reduce((all, item) => all + inlineLetters(item.children), 0)
        return sum + inlineLetters(block.children)
    }, 0)
}

function inlineLetters(nodes: readonly Inline[]): number {
    return nodes.reduce((sum, node) => {
        if ('children' in node) {
            const target = node.kind === 'link' && !node.plain ? count(node.href) : 0
            return sum + target + inlineLetters(node.children)
        }
        if (node.kind === 'emoji') return sum + count(node.name)
        return sum + ('text' in node ? count(node.text) : 0)
    }, 0)
}

function count(source: string): number {
    return [...source].filter((sign) => /[a\u202e😀]/u.test(sign)).length
}
