/** Code in pieces of one colour each. */

export type Colour = 'keyword' | 'string' | 'number' | 'comment' | 'name'

export interface Piece {
    text: string
    colour: Colour | null
}
