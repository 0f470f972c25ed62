/** The words of the page that finds out why voice does not work. */
import { spoken } from '../language.svelte'

export const doctor = spoken('doctor', {
    title: 'Check voice',
    intro: 'Each step on the way of your voice is tried. This takes a few seconds; nothing is recorded, and no one hears you.',
    run: 'Check now',
    again: 'Check again',
    running: 'Checking…',
    copy: 'Copy as text',
    copied: 'Copied.',
    copyFailed: 'The browser does not let this page copy. Select the list and copy it.',
    allWell: 'Everything works.',
    someBad: (count: number) => (count === 1 ? 'One thing is in the way.' : `${count} things are in the way.`),
    states: { ok: 'ok', warn: 'note', bad: 'problem', skipped: 'not checked', waiting: 'waiting' },
    steps: {
        secure: 'Secure address',
        permission: 'Microphone',
        level: 'Level of the microphone',
        gateway: 'Connection to the chat server',
        relay: 'Connection to the media server',
        udp: 'Media by UDP',
        tcp: 'Media by TCP',
        trip: 'Round trip',
        loss: 'Loss',
        clock: 'Clock of this computer',
    },
    ok: {
        level: (db: string) => `${db} dB`,
        trip: (ms: string) => `${ms} ms`,
        loss: (percent: string) => `${percent} %`,
        clock: (seconds: string) => `differs by ${seconds} s`,
    } as Readonly<Record<string, (detail: string) => string>>,
    causes: {
        'secure.insecure': (at: string) =>
            `${at} is not encrypted (http), so the browser forbids the microphone. Your operator can add a certificate.`,
        'permission.insecure': () => 'The browser forbids it at an address without encryption (http). See above.',
        'permission.refused': () =>
            'You or your browser refused it. Allow the microphone beside the address of this page, then check again.',
        'permission.absent': () => 'No microphone was found. Plug one in.',
        'permission.busy': () => 'Another program holds the microphone. Close that program.',
        'permission.failed': () => 'The microphone does not start. Choose another one in the voice settings.',
        'level.silent': (db: string) =>
            `It sends silence (${db} dB). Speak while checking; otherwise turn it up or look for its own switch.`,
        'gateway.offline': () => 'There is none at the moment. Check your own connection.',
        'relay.notConfigured': () =>
            'This server has no voice. Its operator sets VOX_MEDIA_KEY, VOX_MEDIA_SECRET and VOX_MEDIA_URL.',
        'relay.notAsked': () => 'The chat server did not answer. Check your own connection, then check again.',
        'relay.mixed': (at: string) =>
            `${at} is not encrypted, and this page is, so the browser refuses it. The operator sets VOX_MEDIA_URL to a wss:// address.`,
        'relay.unreachable': (at: string) =>
            `${at} does not answer. The operator looks whether the relay runs and this TCP port is open; if others can talk, your network blocks it.`,
        'relay.wrongAddress': (at: string) =>
            `${at} is an address inside of a private network, which you cannot reach. The operator sets VOX_MEDIA_URL to a public one.`,
        'relay.refused': () =>
            'It answers, but does not let you in. The operator looks whether VOX_MEDIA_KEY and VOX_MEDIA_SECRET are the same at relay and chat server.',
        'udp.blocked': (at: string) =>
            `Nothing comes back from ${at}. The operator opens this UDP port; if others can talk, your network blocks it.`,
        'udp.tcpOnly': (at: string) =>
            `UDP to ${at} is blocked, so voice goes by TCP and may stutter. Your network or the operator’s firewall can open this UDP port.`,
        'udp.wrongPublic': (at: string) =>
            `The relay names ${at}, an address inside of a private network. The operator sets its public address (VOX_RELAY_PUBLIC_ADDRESSES).`,
        'udp.notOffered': () => 'The relay names no UDP address. The operator sets its UDP port.',
        'tcp.blocked': (at: string) =>
            `Nothing comes back from ${at}. It matters to networks that block UDP: the operator opens this TCP port.`,
        'tcp.notOffered': () => 'The relay takes no media by TCP; networks that block UDP cannot talk.',
        'trip.slow': (ms: string) =>
            `${ms} ms is long: people will talk into each other. A nearer relay or network helps.`,
        'loss.lossy': (percent: string) =>
            `${percent} % is lost, so words go missing. A cable or a better Wi-Fi place helps.`,
        'clock.skewed': (seconds: string) =>
            `It differs from the server’s by ${seconds} s. Let the system set the time by itself, or logins may fail.`,
    } as Readonly<Record<string, (detail: string) => string>>,
})
