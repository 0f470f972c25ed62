import { expect, test } from 'vitest'

import { compareIds, type Id } from '../../src/core/ids'
import { Ranges } from '../../src/store/ranges'
import { seeded } from '../seeded'

const ids = (from: number, to: number): Id[] => Array.from({ length: to - from + 1 }, (_, at) => String(from + at))

test('pages that overlap make one range, and others do not', () => {
    const ranges = new Ranges()
    ranges.merge({ ids: ids(100, 150), live: true })
    ranges.merge({ ids: ids(40, 60), gap: false })
    expect(ranges.all.length).toBe(2)
    ranges.merge({ ids: ids(61, 99), before: '100' })
    expect(ranges.all.length).toBe(2)
    ranges.merge({ ids: [], before: '61', after: '60' })
    expect(ranges.all.map((range) => range.ids.length)).toEqual([111])
})

test('a live message stands only in a range that ends with the newest', () => {
    const ranges = new Ranges()
    expect(ranges.append('1')).toBe(false)
    ranges.merge({ ids: ids(1, 5), live: true, oldest: true })
    expect(ranges.append('7')).toBe(true)
    expect(ranges.append('6')).toBe(true)
    expect(ranges.all[0]!.ids).toEqual(ids(1, 7))
    ranges.cut()
    expect(ranges.append('9')).toBe(false)
})

test('an empty place takes the first message', () => {
    const ranges = new Ranges()
    ranges.merge({ ids: [], oldest: true, live: true })
    expect(ranges.isLive).toBe(true)
    expect(ranges.append('1')).toBe(true)
    ranges.remove('1')
    expect(ranges.isLive).toBe(true)
})

test('after an interruption the gap is told until it is closed', () => {
    const ranges = new Ranges()
    ranges.merge({ ids: ids(1, 50), live: true })
    ranges.cut()
    ranges.merge({ ids: ids(151, 200), live: true, gap: true })
    expect(ranges.all.map((range) => range.gap)).toEqual([false, true])
    ranges.merge({ ids: ids(101, 150), before: '151' })
    expect(ranges.all[1]!.gap).toBe(true)
    ranges.merge({ ids: ids(51, 100), before: '101', after: '50' })
    expect(ranges.all.length).toBe(1)
})

test('what a page covers and does not name is gone, except what came meanwhile', () => {
    const ranges = new Ranges()
    ranges.merge({ ids: ids(1, 10), live: true })
    ranges.append('11')
    const page = ids(1, 10).filter((id) => id !== '5')
    expect(ranges.merge({ ids: page, live: true }, new Set(['11']))).toEqual(['5'])
    expect(ranges.all[0]!.ids).toEqual([...page, '11'])
})

/** Whatever pages are read in whatever order, no range claims messages that it does not have. */
test.each(Array.from({ length: 40 }, (_, seed) => seed))('ranges never hide a message (seed %i)', (seed) => {
    const random = seeded(seed)
    const pick = (below: number): number => Math.floor(random() * below)
    let server: Id[] = ids(1, 30 + pick(100)).filter(() => random() < 0.8)
    const ranges = new Ranges()
    let next = 1_000
    let connected = true
    for (let step = 0; step < 120; step++) {
        const limit = 1 + pick(12)
        const all = ranges.all.flatMap((range) => range.ids)
        const known = all[pick(all.length)]
        switch (pick(7)) {
            case 0: {
                if (!connected) break
                const page = server.slice(-limit)
                ranges.merge({ ids: page, live: true, oldest: page.length < limit, gap: all.length > 0 })
                break
            }
            case 1: {
                const first = ranges.all[pick(ranges.all.length)]?.ids[0]
                if (first === undefined) break
                const page = server.filter((id) => compareIds(id, first) < 0).slice(-limit)
                ranges.merge({ ids: page, before: first, oldest: page.length < limit })
                break
            }
            case 2: {
                if (known === undefined) break
                const at = server.indexOf(known)
                const page = at < 0 ? [] : server.slice(Math.max(0, at - limit), at + limit)
                if (page.length > 0) ranges.merge({ ids: page })
                break
            }
            case 3: {
                const id = String(next++)
                server = [...server, id]
                if (connected) ranges.append(id)
                break
            }
            case 4: {
                const gone = server[pick(server.length)]
                server = server.filter((id) => id !== gone)
                if (connected && gone !== undefined) ranges.remove(gone)
                break
            }
            case 5: {
                connected = false
                ranges.cut()
                break
            }
            case 6:
                connected = true
        }
        for (const range of ranges.all) {
            const [first, last] = [range.ids[0]!, range.ids.at(-1)!]
            const missing = server.filter(
                (id) => compareIds(first, id) <= 0 && compareIds(id, last) <= 0 && !range.ids.includes(id),
            )
            expect(missing).toEqual([])
            if (range.live) expect(server.filter((id) => compareIds(id, last) > 0)).toEqual([])
            if (range.oldest) expect(server.filter((id) => compareIds(id, first) < 0)).toEqual([])
            expect(range.ids).toEqual([...range.ids].sort(compareIds))
        }
        const firsts = ranges.all.map((range) => range.ids[0]!)
        expect(firsts).toEqual([...firsts].sort(compareIds))
    }
})
