/** The words of conversations with agents. */
import { spoken } from '../language.svelte'

export const talk = spoken('talk', {
    agents: 'Agents',
    intro: 'AI agents of this community. A conversation with one is between you and it alone.',
    none: 'This server offers no agents. Your operator can add an agent server (VOX_AGENT_URL).',
    away: 'The agent server cannot be reached. Check your connection and try again.',
    needsKey: 'The agent server asks for an API key, so that it can be reached by its own page only.',
    unknown: (name: string) => `There is no agent named “${name}”. Choose another one.`,
    foreign:
        'The agent server does not take calls from this address. Your operator can list it in cors_allowed_origins.',
    tryAgain: 'Try again',
    loading: 'Loading…',
    back: 'All agents',
    aiAgent: 'AI agent',
    talk: 'Talk',
    hangUp: 'Hang up',
    mute: 'Mute',
    unmute: 'Unmute',
    microphoneOn: 'Turn on microphone',
    you: 'You',
    level: (name: string) => `Level: ${name}`,
    states: {
        idle: 'Ready',
        connecting: 'Connecting…',
        listening: 'Listening',
        'user-speaking': 'Hearing you',
        thinking: 'Thinking…',
        'bot-speaking': 'Speaking',
        reconnecting: 'Reconnecting…',
        lost: 'Not connected',
    } as Readonly<Record<string, string>>,
    conversation: 'Conversation',
    invitation: 'Press Talk and speak, or type a message.',
    goAhead: 'Go ahead: speak, or type a message.',
    suggestions: 'What you can ask',
    message: 'Message to the agent',
    send: 'Send',
    answered: (seconds: string) => `Answered in ${seconds} s`,
    over: (route: string) => `Connected over ${route}`,
    keypad: 'Keypad',
    keys: { '*': 'Star', '#': 'Hash' } as Readonly<Record<string, string>>,
    pressed: 'Keys pressed',
    quiet: 'Mute me while the agent speaks',
    quietHint: 'Helps without headphones, where the agent would hear itself. You cannot interrupt it by voice then.',
    busyFor: (seconds: number) =>
        seconds === 1
            ? 'All lines are busy. It tries again in 1 second.'
            : `All lines are busy. It tries again in ${seconds} seconds.`,
    stop: 'Stop trying',
    noSound: 'Sound could not be started. You can type; answers appear as text.',
    noServer: 'The server cannot be reached. Check your connection and try again.',
    again: 'Connected again. This is a new call: the agent does not know what was said before.',
    problem: (text: string) => `The agent reports a problem: ${text}`,
    microphone: {
        denied: 'The microphone is blocked. Allow it for this page in your browser to talk; you can type meanwhile.',
        missing: 'No microphone was found. Connect one to talk; you can type meanwhile.',
        busy: 'The microphone could not be opened; another program may be using it. You can type meanwhile.',
        insecure:
            'Browsers give pages a microphone and sound only on https or on localhost, and this page is neither. You can type; answers appear as text.',
    } as Readonly<Record<string, string>>,
})
