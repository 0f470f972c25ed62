/** The words of a feed, a thread or a conversation. */
import { spoken } from '../language.svelte'

const plural = (count: number, one: string, many: string): string => (count === 1 ? one : many)

export const feed = spoken('feed', {
    history: (place: string) => `Messages in ${place}`,
    empty: 'Nothing has been written here yet. Say hello!',
    loading: 'Loading messages…',
    forbidden: 'You may not read the messages here. Ask an administrator to allow it.',
    missing: 'There is nothing here any more.',
    failed: 'The messages could not be loaded.',
    retry: 'Try again',
    article: (author: string, time: string) => `${author}, ${time}`,
    unknown: 'Unknown member',
    automatic: 'Automatic message',
    edited: 'edited',
    editedAt: (time: string) => `Edited ${time}`,
    pinned: 'Pinned',
    encrypted: 'An encrypted message of another program. This page cannot read it.',
    newMessages: 'New',
    gap: 'Messages are missing here',
    fillGap: 'Load them',
    older: 'Older messages are loading',
    newer: 'Newer messages are loading',
    toNewest: (count: number) =>
        count === 0 ? 'To the newest' : `${count} new ${plural(count, 'message', 'messages')}`,
    toUnread: (count: string) => `${count} unread. Go to the first`,
    heard: (author: string, text: string) => `${author}: ${text}`,
    typing: (names: readonly string[]) =>
        names.length === 0
            ? ''
            : names.length > 3
              ? 'Several people are typing…'
              : `${names.join(', ')} ${plural(names.length, 'is', 'are')} typing…`,

    composer: (place: string) => `Message to ${place}`,
    send: 'Send',
    left: (count: number) =>
        count >= 0 ? `${count} left` : `${-count} ${plural(-count, 'letter', 'letters')} too many`,
    maySend: 'Your roles do not let you write here.',
    announcement: 'Only those who manage this feed write here.',
    locked: 'This thread is locked. A moderator can open it again.',
    replyTo: (author: string) => `Reply to ${author}`,
    cancelReply: 'Do not reply',
    replied: (author: string) => `Reply to ${author}:`,
    repliedGone: 'Reply to a message that is not here',
    goToReplied: 'Go to the message',

    waiting: 'Waiting to be sent',
    sending: 'Sending…',
    asks: 'It is unclear whether this was sent: the connection was lost for too long.',
    sendAgain: 'Send again',
    editPending: 'Edit',
    discard: 'Delete',

    actions: 'Actions for this message',
    more: 'More',
    reply: 'Reply',
    react: 'Add a reaction',
    edit: 'Edit',
    copy: 'Copy text',
    link: 'Copy link',
    pin: 'Pin',
    unpin: 'Unpin',
    thread: 'Start a thread',
    unreadFrom: 'Mark unread from here',
    report: 'Report',
    remove: 'Delete',
    copied: 'Copied',
    notCopied: 'The browser did not allow copying.',

    editing: 'Edit the message',
    save: 'Save',
    cancel: 'Cancel',
    editKeys: 'Enter saves, Esc cancels.',

    deleteTitle: 'Delete this message?',
    deleteText: 'It is gone for everyone and cannot be brought back.',
    deleteHint: 'Hold Shift while choosing Delete to skip this question.',

    reaction: (emoji: string, count: number, me: boolean) =>
        `${emoji}: ${count} ${plural(count, 'person', 'people')}${me ? ', with you' : ''}`,

    spoiler: 'Hidden. Show it',
    code: 'Code',
    copyCode: 'Copy',
    everyone: '@everyone',
    unknownRole: 'unknown role',
    unknownFeed: 'unknown feed',
    leave: 'This link leads somewhere else',
    leaveText: (text: string, address: string) => `The link reads “${text}” but leads to ${address}`,
    open: 'Open it',

    everyoneTitle: 'Tell everyone?',
    everyoneText: (count: number | null) =>
        count === null
            ? 'This message notifies all who can read here.'
            : `This message notifies ${count} ${plural(count, 'person', 'people')}: all who can read here.`,
    camera: 'Take a photo',
    cameraTake: 'Take it',
    cameraAgain: 'Once more',
    cameraUse: 'Add it to the message',
    cameraOther: 'Other camera',
    cameraStarting: 'The camera starts…',
    cameraPreview: 'What the camera sees',
    cameraRefused:
        'The browser was not allowed to use the camera. Allow it in the page’s settings, beside the address, and try again.',
    cameraAbsent: 'There is no camera. You can add a picture as a file.',
    cameraInsecure: 'Browsers give the camera to encrypted addresses (https) alone. You can add a picture as a file.',
    cameraBusy: 'The camera is used by another program. Close it there and try again.',

    picture: (name: string, alt: string) => `Show ${alt || name} in full`,
    embedPicture: (title: string) => (title === '' ? 'Picture of a preview' : `Picture of ${title}`),
    pictureFailed: 'This picture could not be loaded.',
    load: 'Load',
    play: (name: string) => `Play ${name}`,
    download: 'Download',
    downloadOf: (name: string) => `Download ${name}`,
    size: (bytes: number) =>
        bytes < 1024
            ? `${bytes} B`
            : bytes < 1024 * 1024
              ? `${Math.round(bytes / 1024)} kB`
              : `${(bytes / 1024 / 1024).toFixed(1)} MB`,

    back: 'Back to where you were',

    viewer: (name: string) => `Picture ${name}`,
    pictureAt: (at: number, of: number) => `${at} of ${of}`,
    previous: 'Previous picture',
    next: 'Next picture',
    larger: 'Larger',
    smaller: 'Smaller',
    close: 'Close',

    emoji: 'Emoji',
    searchEmoji: 'Search emoji',
    noEmoji: 'There is no emoji for this word.',
    addEmoji: 'Emoji',
    emojiStickersGifs: 'Emoji, stickers, GIFs',
    tabs: { emoji: 'Emoji', stickers: 'Stickers', gifs: 'GIFs' },
    skin: 'Skin tone',
    skins: ['Standard', 'Light', 'Medium light', 'Medium', 'Medium dark', 'Dark'],
    noStickers: 'This community has no stickers yet.',
    searchStickers: 'Search stickers',
    searchGifs: 'Search GIFs',
    noGifs: 'Nothing was found for these words.',
    gifsBy: 'Your community’s server asks KLIPY for them; KLIPY does not learn who you are.',
    sticker: (name: string) => `Sticker ${name}`,
    gif: (title: string) => (title === '' ? 'GIF' : `GIF: ${title}`),

    attach: 'Add files',
    tray: 'Files of this message',
    markSpoiler: 'Hide',
    hiddenFile: (name: string) => `Hidden: ${name}. Show it`,
    uploading: 'Uploading…',
    removeFile: (name: string) => `Remove ${name}`,
    tooMany: (most: number) => `A message takes ${most} files. The others were left out.`,
    notUploaded: 'The message can be sent when all files have arrived.',

    suggestions: 'Suggestions',
    suggested: (count: number) =>
        count === 0 ? '' : `${count} ${plural(count, 'suggestion', 'suggestions')}; arrows choose, Enter takes`,

    toPlaces: 'Show feeds',
    tools: { threads: 'Threads', pins: 'Pins', search: 'Search', members: 'Members' },
    moreTools: 'More of this place',
    level: 'Notices of this place',
    mutedNow: 'Notices of this place: muted',
    levels: {
        standard: 'As in your settings',
        all: 'All messages',
        mentions: 'Mentions only',
        nothing: 'Nothing',
    },
    muteHour: 'Mute for an hour',
    muteDay: 'Mute for a day',
    muteEver: 'Mute until you unmute it',
    unmute: 'Unmute',
    levelSet: 'Changed on all your devices',

    pins: 'Pins',
    noPins: 'Nothing is pinned here.',

    reportTitle: 'Report this message',
    reportText: (author: string) =>
        `The moderators see the message of ${author} and what you write here. ${author} does not learn of it.`,
    reportReason: 'Reason',
    reasons: {
        spam: 'Spam',
        harassment: 'Harassment or threats',
        hate: 'Hate',
        illegal: 'Something illegal',
        other: 'Something else',
    },
    reportMore: 'What the moderators should know',
    reportSend: 'Report it',
    reported: 'Reported. The moderators will look at it.',
    inThread: 'in a thread',
    jumpTo: (author: string, time: string) => `Go to the message of ${author}, ${time}`,
})
