/** The rules of what is unread, each as one who reads on two devices would notice it. */
import { expect, test } from 'vitest'

import type { Mark } from '../../src/store/entities'
import { arrived, isMuted, moved, notifies } from '../../src/store/unread'

const ME = '1'
const mark: Mark = { feed_id: '9', last_read_msg_id: '100', last_msg_id: '100', unread: 0, mentions: 0 }
const from = (id: string, author: string, mentions: string[] = []) => ({ id, author, mentions })

test('what arrives is unread, and what names one is a mention', () => {
    const two = arrived(arrived(mark, from('101', '2'), ME), from('102', '2', [ME]), ME)
    expect([two.unread, two.mentions]).toEqual([2, 1])
})

test('sending does not clear what was not seen', () => {
    const before = arrived(mark, from('101', '2'), ME)
    const after = arrived(before, from('102', ME), ME)
    expect([after.unread, after.last_read_msg_id]).toEqual([1, '100'])
})

test('the mark of another device clears this one', () => {
    const before = arrived(arrived(mark, from('101', '2'), ME), from('102', '2', [ME]), ME)
    const after = moved(before, '102', null, ME)
    expect([after.unread, after.mentions]).toEqual([0, 0])
})

test('a mark that moves part of the way leaves the rest', () => {
    const before = arrived(arrived(mark, from('101', '2'), ME), from('102', '2', [ME]), ME)
    expect(moved(before, '101', [from('102', '2', [ME])], ME)).toMatchObject({ unread: 1, mentions: 1 })
})

test('a mark that moves back makes unread again', () => {
    const read = { ...mark, last_msg_id: '102', last_read_msg_id: '102' }
    expect(moved(read, '100', [from('101', '2'), from('102', '3')], ME).unread).toBe(2)
})

test('an event that the numbers of the start contain already counts once', () => {
    const started = { ...mark, last_msg_id: '105', unread: 5 }
    expect(arrived(started, from('105', '2'), ME).unread).toBe(5)
})

test('muted places are silent until the time is over', () => {
    const settings = { notifications: { places: { 'feed:9': { muted_until: 500 } } } }
    expect([isMuted(settings, 'feed:9', 400), isMuted(settings, 'feed:9', 600)]).toEqual([true, false])
    expect(notifies(settings, ['feed:9'], true, 400)).toBe(false)
    expect(notifies(settings, ['thread:3', 'feed:9'], true, 400)).toBe(false)
})

test('notices follow the level of the place, then that of all', () => {
    expect(notifies({}, ['feed:9'], false, 0)).toBe(false)
    expect(notifies({}, ['feed:9'], true, 0)).toBe(true)
    const all = { notifications: { level: 'all', places: { 'feed:9': { level: 'nothing' } } } }
    expect(notifies(all, ['feed:8'], false, 0)).toBe(true)
    expect(notifies(all, ['feed:9'], true, 0)).toBe(false)
    expect(notifies(all, ['thread:3', 'feed:9'], true, 0)).toBe(false)
})
