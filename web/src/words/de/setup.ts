/** German: the words of the set-up. */
import type { setup as english } from '../en/setup'
import type { Translation } from '../translation'

export const setup: Translation<typeof english> = {
    title: 'Deine Community',
    text: 'Zwei Entscheidungen und du bist drin. Alles lässt sich später ändern.',
    name: 'Name der Community',
    layout: 'Zum Anfang',
    layouts: {
        friends: ['Freunde', 'Allgemeines, Fotos und ein Raum zum Reden'],
        team: ['Ein Team', 'Allgemeines, Ankündigungen, Projekte, Hilfe und ein Besprechungsraum'],
        support: ['Eine Hotline', 'Allgemeines, Anrufe und ein Raum für die Leitung'],
        blank: ['Fast nichts', 'ein Feed'],
    },
    make: 'Anlegen',
    making: 'Wird angelegt… der Server nimmt eins nach dem anderen.',
    later: 'Überspringen',
    done: (server) => `${server} ist bereit`,
    inviteText: 'Wer diesen Link öffnet, kann ein Konto anlegen und beitreten. Er gilt sieben Tage.',
    inviteLink: 'Einladungslink',
    copy: 'Link kopieren',
    copied: 'Kopiert.',
    notCopied: 'Der Browser hat das Kopieren nicht erlaubt. Der Link ist markiert: Kopiere ihn von Hand.',
    go: 'Zu deiner Community',
}
