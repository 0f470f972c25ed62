import { describe, expect, test } from 'vitest'

import { addressOf, parseRoute, type Route } from '../src/ui/router'

const ROUTES: Route[] = [
    { screen: 'home' },
    { screen: 'feed', feed: '12', message: null },
    { screen: 'feed', feed: '12', message: '9007199254740993' },
    { screen: 'dm', dm: '3', message: null },
    { screen: 'dm', dm: '3', message: '31' },
    { screen: 'thread', thread: '4', message: null },
    { screen: 'thread', thread: '4', message: '41' },
    { screen: 'room', room: '5' },
    { screen: 'talk', agent: 'a b/c' },
    { screen: 'invite', code: 'x%y' },
    { screen: 'setup', token: 'vox_setup_abc' },
    { screen: 'settings', section: 'login' },
    { screen: 'login' },
]

describe('addresses', () => {
    test.each(ROUTES)('%o comes back from its address', (route) => {
        expect(parseRoute(addressOf(route))).toEqual(route)
    })

    test.each(['#/f/0', '#/f/x', '#/f/', '#/zzz', '#/f/99999999999999999999', '#/i/'])(
        '%s leads nowhere',
        (address) => {
            expect(parseRoute(address)).toEqual({ screen: 'unknown' })
        },
    )

    test('a broken escape is taken as it stands', () => {
        expect(parseRoute('#/i/%E0%A4%A')).toEqual({ screen: 'invite', code: '%E0%A4%A' })
    })
})
