/** The words of a feed. */
export const feed = {
    composer: 'Message',
    send: 'Send',
}
