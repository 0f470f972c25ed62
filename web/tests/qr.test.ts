import fc from 'fast-check'
import { expect, test } from 'vitest'

import { multiply, qrMatrix } from '../src/core/qr'

/** Reads versions of one block: format, mask, bytes, and that the error correction finds no error. */
function read(rows: boolean[][], checks: number): { mask: number; text: string; faults: number } {
    const size = rows.length
    const version = (size - 17) / 4
    const format = [0, 1, 2, 3, 4, 5].map((y) => rows[y]![8]!)
    format.push(rows[7]![8]!, rows[8]![8]!, rows[8]![7]!, ...[5, 4, 3, 2, 1, 0].map((x) => rows[8]![x]!))
    const bits = format.reduce((sum, on, at) => sum | (Number(on) << at), 0) ^ 0x5412
    expect(bits >>> 13).toBe(0)
    const mask = (bits >>> 10) & 7
    const isFixed = (x: number, y: number): boolean =>
        (x < 9 && y < 9) ||
        (x >= size - 8 && y < 9) ||
        (x < 9 && y >= size - 8) ||
        x === 6 ||
        y === 6 ||
        (version > 1 && x >= size - 9 && x < size - 4 && y >= size - 9 && y < size - 4)
    const flips = [
        (x: number, y: number) => (x + y) % 2 === 0,
        (_: number, y: number) => y % 2 === 0,
        (x: number) => x % 3 === 0,
        (x: number, y: number) => (x + y) % 3 === 0,
        (x: number, y: number) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
        (x: number, y: number) => ((x * y) % 2) + ((x * y) % 3) === 0,
        (x: number, y: number) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
        (x: number, y: number) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
    ][mask]!
    const stream: number[] = []
    for (let right = size - 1, up = true; right >= 1; right -= 2, up = !up) {
        if (right === 6) right = 5
        for (let step = 0; step < size; step += 1) {
            const y = up ? size - 1 - step : step
            for (const x of [right, right - 1]) if (!isFixed(x, y)) stream.push(Number(rows[y]![x]! !== flips(x, y)))
        }
    }
    const bytes = Array.from({ length: Math.floor(stream.length / 8) }, (_, at) =>
        stream.slice(at * 8, at * 8 + 8).reduce((sum, bit) => sum * 2 + bit, 0),
    )
    let faults = 0
    for (let at = 0, root = 1; at < checks; at += 1, root = multiply(root, 2))
        if (bytes.reduce((sum, byte) => multiply(sum, root) ^ byte, 0) !== 0) faults += 1
    const all = bytes.flatMap((byte) => [byte >> 4, byte & 15])
    const length = all[1]! * 16 + all[2]!
    expect(all[0]).toBe(4)
    const said = Uint8Array.from({ length }, (_, at) => all[3 + at * 2]! * 16 + all[4 + at * 2]!)
    return { mask, text: new TextDecoder().decode(said), faults }
}

test('a code is read back, and its error correction finds no error', () => {
    const letters = fc.string({ minLength: 0, maxLength: 42, unit: fc.constantFrom(...'abcXYZ019:/?=%&é✓') })
    fc.assert(
        fc.property(letters, (text) => {
            fc.pre(new TextEncoder().encode(text).length <= 42)
            const rows = qrMatrix(text)
            const checks = [10, 16, 26][(rows.length - 17) / 4 - 1]!
            const { text: said, faults } = read(rows, checks)
            expect(said).toBe(text)
            expect(faults).toBe(0)
        }),
        { numRuns: 60 },
    )
})

test('a longer text takes a larger code, and what is too long is refused', () => {
    expect(qrMatrix('x'.repeat(14)).length).toBe(21)
    expect(qrMatrix('x'.repeat(15)).length).toBe(25)
    expect(qrMatrix('x'.repeat(213)).length).toBe(57)
    expect(qrMatrix('x'.repeat(412)).length).toBe(77)
    expect(() => qrMatrix('x'.repeat(413))).toThrow(RangeError)
})
