/** Who is mentioned by a text, so that the server tells them. */
import type { Id } from '../../core/ids'
import { parse, type Block, type Inline } from '../../core/markdown/parse'

/** The ids of those mentioned, each once; '0' is everyone. What stands in code mentions nobody. */
export function mentionsOf(text: string): Id[] {
    const found = new Set<Id>()
    const inlines = (nodes: readonly Inline[]): void => {
        for (const node of nodes) {
            if (node.kind === 'user') found.add(node.id)
            else if (node.kind === 'everyone') found.add('0')
            else if ('children' in node) inlines(node.children)
        }
    }
    const blocks = (all: readonly Block[]): void => {
        for (const block of all) {
            if (block.kind === 'paragraph') inlines(block.children)
            else if (block.kind === 'quote') blocks(block.children)
            else if (block.kind === 'list') for (const item of block.items) inlines(item.children)
        }
    }
    blocks(parse(text))
    return [...found]
}
