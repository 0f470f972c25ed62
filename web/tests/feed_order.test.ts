import { expect, test } from 'vitest'

import { groupFeeds } from '../src/core/feed_order'

test('feeds stand by category and position, those of a vanished category with the loose ones', () => {
    const categories = [
        { category_id: '2', name: 'B', position: 1 },
        { category_id: '1', name: 'A', position: 0 },
        { category_id: '3', name: 'empty', position: 2 },
    ]
    const feeds = [
        { feed_id: '10', category_id: '2', position: 1 },
        { feed_id: '11', category_id: '2', position: 0 },
        { feed_id: '12', category_id: null, position: 1 },
        { feed_id: '13', category_id: '9', position: 0 },
        { feed_id: '14', category_id: '1', position: 0 },
    ]
    const groups = groupFeeds(categories, feeds, 'Feeds')
    expect(groups.map((group) => [group.name, group.feeds.map((feed) => feed.feed_id)])).toEqual([
        ['Feeds', ['13', '12']],
        ['A', ['14']],
        ['B', ['11', '10']],
    ])
})
