/** The words of the set-up. */
import type { LayoutName } from '../../core/layouts'
import { spoken } from '../language.svelte'

export const setup = spoken('setup', {
    title: 'Your community',
    text: 'Two choices and you are in. All of it can be changed later.',
    name: 'Name of the community',
    layout: 'To begin with',
    layouts: {
        friends: ['Friends', 'general, photos, and a room to talk in'],
        team: ['A team', 'general, announcements, projects, help, and a meeting room'],
        support: ['A support line', 'general, callers, and a room for the line'],
        blank: ['Almost nothing', 'one feed'],
    } satisfies Record<LayoutName, [string, string]>,
    make: 'Make it',
    making: 'Making it… the server takes one thing after the other.',
    later: 'Skip',
    done: (server: string) => `${server} is ready`,
    inviteText: 'Whoever opens this link can make an account and join. It works for seven days.',
    inviteLink: 'Invite link',
    copy: 'Copy the link',
    copied: 'Copied.',
    notCopied: 'The browser did not allow copying. The link is marked: copy it by hand.',
    go: 'Go to your community',
})
