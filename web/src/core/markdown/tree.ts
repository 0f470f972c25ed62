/** What the text of a message means. It becomes nodes of the page, never HTML, so there is nothing to sanitise. */
import type { Id } from '../ids'

export type Inline =
    | { kind: 'text'; text: string }
    | { kind: 'break' }
    | { kind: 'bold' | 'italic' | 'strike' | 'spoiler'; children: Inline[] }
    | { kind: 'code'; text: string }
    /** `plain`: the address is its own text. */
    | { kind: 'link'; href: string; plain: boolean; children: Inline[] }
    | { kind: 'user' | 'role' | 'feed'; id: Id }
    /** Those who are mentioned by `@everyone`. */
    | { kind: 'everyone' }
    /** Perhaps one of the community's own: whoever shows it knows their names. */
    | { kind: 'emoji'; name: string }

export interface Item {
    depth: number
    children: Inline[]
}

export type Block =
    | { kind: 'paragraph'; children: Inline[] }
    | { kind: 'code'; language: string; text: string }
    | { kind: 'quote'; children: Block[] }
    | { kind: 'list'; ordered: boolean; start: number; items: Item[] }
