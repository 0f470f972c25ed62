/** What a community may begin with. Names are written as the server stores them; everything can be changed later. */
export type LayoutName = 'friends' | 'team' | 'support' | 'blank'

export interface Group {
    category: string | null
    feeds: readonly { name: string; topic: string; type?: 'announcement' | 'forum' }[]
    rooms: readonly string[]
}

export const LAYOUTS: Readonly<Record<LayoutName, readonly Group[]>> = {
    friends: [
        {
            category: null,
            feeds: [
                { name: 'general', topic: 'Everything that fits nowhere else' },
                { name: 'photos', topic: 'Pictures of all kinds' },
            ],
            rooms: ['Lounge'],
        },
    ],
    team: [
        {
            category: null,
            feeds: [
                { name: 'general', topic: 'For everyone' },
                { name: 'announcements', topic: 'What all should read', type: 'announcement' },
            ],
            rooms: [],
        },
        {
            category: 'Work',
            feeds: [
                { name: 'projects', topic: 'One thread for each project', type: 'forum' },
                { name: 'help', topic: 'Ask here' },
            ],
            rooms: ['Meeting'],
        },
    ],
    support: [
        {
            category: null,
            feeds: [
                { name: 'general', topic: 'For everyone who works here' },
                { name: 'callers', topic: 'What callers asked and what is still to do' },
            ],
            rooms: ['Support line'],
        },
    ],
    blank: [{ category: null, feeds: [{ name: 'general', topic: '' }], rooms: [] }],
}
