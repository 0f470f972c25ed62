/**
 * QR codes (ISO/IEC 18004) of bytes, error correction M, versions 1 to 15: up to 412 bytes, which is more than any link or secret here.
 */

/** By version: error-correction bytes of a block, and blocks, at level M. */
const CHECK_BYTES = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24]
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10]
const LEVEL_M = 0

/** The rows of the code without its quiet zone; true is dark. Throws `RangeError` where the text is too long. */
export function qrMatrix(text: string): boolean[][] {
    const bytes = new TextEncoder().encode(text)
    let version = 1
    while (bytes.length > room(version)) {
        version += 1
        if (version > CHECK_BYTES.length) throw new RangeError('too long for a QR code')
    }
    const data = withChecks(dataBytes(bytes, version), version)
    let best: boolean[][] | null = null
    let least = Infinity
    for (let mask = 0; mask < 8; mask += 1) {
        const drawn = draw(data, version, mask)
        const cost = penalty(drawn)
        if (cost < least) [best, least] = [drawn, cost]
    }
    return best!
}

const sizeOf = (version: number): number => version * 4 + 17
const lengthBits = (version: number): number => (version < 10 ? 8 : 16)

/** Modules that hold data and error correction. */
function rawModules(version: number): number {
    let count = (16 * version + 128) * version + 64
    if (version >= 2) {
        const align = Math.floor(version / 7) + 2
        count -= (25 * align - 10) * align - 55
        if (version >= 7) count -= 36
    }
    return count
}

function dataLength(version: number): number {
    return Math.floor(rawModules(version) / 8) - CHECK_BYTES[version - 1]! * BLOCKS[version - 1]!
}

/** Bytes of text that a version holds. */
function room(version: number): number {
    return Math.floor((dataLength(version) * 8 - 4 - lengthBits(version)) / 8)
}

function dataBytes(bytes: Uint8Array, version: number): Uint8Array {
    const bits: number[] = []
    const add = (value: number, count: number): void => {
        for (let at = count - 1; at >= 0; at -= 1) bits.push((value >>> at) & 1)
    }
    const length = dataLength(version)
    add(4, 4)
    add(bytes.length, lengthBits(version))
    for (const byte of bytes) add(byte, 8)
    add(0, Math.min(4, length * 8 - bits.length))
    add(0, (8 - (bits.length % 8)) % 8)
    const out = new Uint8Array(length)
    bits.forEach((bit, at) => (out[at >> 3]! |= bit << (7 - (at & 7))))
    for (let at = bits.length / 8, pad = 0xec; at < length; at += 1, pad ^= 0xec ^ 0x11) out[at] = pad
    return out
}

/** Multiplies in the field of 256 elements, modulo x^8 + x^4 + x^3 + x^2 + 1. */
export function multiply(a: number, b: number): number {
    let product = 0
    for (let at = 7; at >= 0; at -= 1) {
        product = (product << 1) ^ ((product >>> 7) * 0x11d)
        product ^= ((b >>> at) & 1) * a
    }
    return product
}

function divisor(degree: number): Uint8Array {
    const result = new Uint8Array(degree)
    result[degree - 1] = 1
    let root = 1
    for (let turn = 0; turn < degree; turn += 1) {
        for (let at = 0; at < degree; at += 1) {
            result[at] = multiply(result[at]!, root)
            if (at + 1 < degree) result[at]! ^= result[at + 1]!
        }
        root = multiply(root, 2)
    }
    return result
}

function remainder(data: Uint8Array, by: Uint8Array): Uint8Array {
    const result = new Uint8Array(by.length)
    for (const byte of data) {
        const factor = byte ^ result[0]!
        result.copyWithin(0, 1)
        result[result.length - 1] = 0
        by.forEach((one, at) => (result[at]! ^= multiply(one, factor)))
    }
    return result
}

/** Cuts the data into blocks, adds the error correction of each, and interleaves them. */
function withChecks(data: Uint8Array, version: number): Uint8Array {
    const blocks = BLOCKS[version - 1]!
    const checks = CHECK_BYTES[version - 1]!
    const total = Math.floor(rawModules(version) / 8)
    const shortBlocks = blocks - (total % blocks)
    const shortLength = Math.floor(total / blocks) - checks
    const by = divisor(checks)
    const parts: { data: Uint8Array; check: Uint8Array }[] = []
    for (let block = 0, from = 0; block < blocks; block += 1) {
        const to = from + shortLength + (block < shortBlocks ? 0 : 1)
        const part = data.slice(from, to)
        parts.push({ data: part, check: remainder(part, by) })
        from = to
    }
    const out: number[] = []
    for (let at = 0; at <= shortLength; at += 1)
        for (const part of parts) if (at < part.data.length) out.push(part.data[at]!)
    for (let at = 0; at < checks; at += 1) for (const part of parts) out.push(part.check[at]!)
    return Uint8Array.from(out)
}

function alignments(version: number): number[] {
    if (version === 1) return []
    const count = Math.floor(version / 7) + 2
    const size = sizeOf(version)
    const step = Math.floor((version * 8 + count * 3 + 5) / (count * 4 - 4)) * 2
    const found = [6]
    for (let at = size - 7; found.length < count; at -= step) found.splice(1, 0, at)
    return found
}

const MASKS: readonly ((x: number, y: number) => boolean)[] = [
    (x, y) => (x + y) % 2 === 0,
    (_, y) => y % 2 === 0,
    (x) => x % 3 === 0,
    (x, y) => (x + y) % 3 === 0,
    (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
    (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
    (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
    (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
]

function draw(data: Uint8Array, version: number, mask: number): boolean[][] {
    const size = sizeOf(version)
    const dark = Array.from({ length: size }, () => new Array<boolean>(size).fill(false))
    const fixed = Array.from({ length: size }, () => new Array<boolean>(size).fill(false))
    const set = (x: number, y: number, on: boolean): void => {
        if (x < 0 || y < 0 || x >= size || y >= size) return
        dark[y]![x] = on
        fixed[y]![x] = true
    }
    for (let at = 0; at < size; at += 1) {
        set(6, at, at % 2 === 0)
        set(at, 6, at % 2 === 0)
    }
    for (const [cx, cy] of [
        [3, 3],
        [size - 4, 3],
        [3, size - 4],
    ] as const)
        for (let y = -4; y <= 4; y += 1)
            for (let x = -4; x <= 4; x += 1) {
                const far = Math.max(Math.abs(x), Math.abs(y))
                set(cx + x, cy + y, far !== 2 && far !== 4)
            }
    const lines = alignments(version)
    const last = lines.length - 1
    lines.forEach((cy, row) =>
        lines.forEach((cx, column) => {
            if ((row === 0 && column === 0) || (row === 0 && column === last) || (row === last && column === 0)) return
            for (let y = -2; y <= 2; y += 1)
                for (let x = -2; x <= 2; x += 1) set(cx + x, cy + y, Math.max(Math.abs(x), Math.abs(y)) !== 1)
        }),
    )
    drawFormat(set, size, mask)
    if (version >= 7) drawVersion(set, size, version)
    fill(dark, fixed, data, mask)
    return dark
}

/** Level and mask with their own error correction, twice. */
function drawFormat(set: (x: number, y: number, on: boolean) => void, size: number, mask: number): void {
    const value = (LEVEL_M << 3) | mask
    let rest = value
    for (let turn = 0; turn < 10; turn += 1) rest = (rest << 1) ^ ((rest >>> 9) * 0x537)
    const bits = ((value << 10) | rest) ^ 0x5412
    const bit = (at: number): boolean => ((bits >>> at) & 1) !== 0
    for (let at = 0; at <= 5; at += 1) set(8, at, bit(at))
    set(8, 7, bit(6))
    set(8, 8, bit(7))
    set(7, 8, bit(8))
    for (let at = 9; at < 15; at += 1) set(14 - at, 8, bit(at))
    for (let at = 0; at < 8; at += 1) set(size - 1 - at, 8, bit(at))
    for (let at = 8; at < 15; at += 1) set(8, size - 15 + at, bit(at))
    set(8, size - 8, true)
}

function drawVersion(set: (x: number, y: number, on: boolean) => void, size: number, version: number): void {
    let rest = version
    for (let turn = 0; turn < 12; turn += 1) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25)
    const bits = (version << 12) | rest
    for (let at = 0; at < 18; at += 1) {
        const on = ((bits >>> at) & 1) !== 0
        const [a, b] = [size - 11 + (at % 3), Math.floor(at / 3)]
        set(a, b, on)
        set(b, a, on)
    }
}

/** Lays the bits in double columns from the right, up and down in turn, and turns over those that the mask names. */
function fill(dark: boolean[][], fixed: boolean[][], data: Uint8Array, mask: number): void {
    const size = dark.length
    const flips = MASKS[mask]!
    let at = 0
    for (let right = size - 1; right >= 1; right -= 2) {
        if (right === 6) right = 5
        for (let step = 0; step < size; step += 1) {
            const y = ((right + 1) & 2) === 0 ? size - 1 - step : step
            for (const x of [right, right - 1]) {
                if (fixed[y]![x]) continue
                const bit = at < data.length * 8 && ((data[at >> 3]! >>> (7 - (at & 7))) & 1) !== 0
                at += 1
                dark[y]![x] = bit !== flips(x, y)
            }
        }
    }
}

/** How hard a code is to read: long runs, blocks, what looks like a finder, and an uneven share of dark. */
function penalty(dark: boolean[][]): number {
    const size = dark.length
    let cost = 0
    let count = 0
    for (const turned of [false, true]) {
        const at = (line: number, place: number): boolean => (turned ? dark[place]![line]! : dark[line]![place]!)
        for (let line = 0; line < size; line += 1) {
            let run = 0
            let text = ''
            for (let place = 0; place < size; place += 1) {
                run = place > 0 && at(line, place) === at(line, place - 1) ? run + 1 : 1
                if (run === 5) cost += 3
                else if (run > 5) cost += 1
                text += at(line, place) ? '1' : '0'
            }
            for (const finder of ['10111010000', '00001011101'])
                for (let from = text.indexOf(finder); from >= 0; from = text.indexOf(finder, from + 1)) cost += 40
        }
    }
    for (let y = 0; y < size; y += 1)
        for (let x = 0; x < size; x += 1) {
            const here = dark[y]![x]
            if (here) count += 1
            if (y + 1 < size && x + 1 < size)
                if (dark[y]![x + 1] === here && dark[y + 1]![x] === here && dark[y + 1]![x + 1] === here) cost += 3
        }
    const share = Math.abs((count * 20) / (size * size) - 10)
    return cost + Math.max(0, Math.ceil(share) - 1) * 10
}
