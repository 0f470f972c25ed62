/** Why a microphone or camera does not start, by what the browser says. */
export type Trouble = 'refused' | 'absent' | 'busy' | 'insecure' | 'failed'

export function troubleOf(error: unknown, isSecure: boolean): Trouble {
    if (!isSecure) return 'insecure'
    switch (error instanceof Error ? error.name : '') {
        case 'NotAllowedError':
        case 'SecurityError':
            return 'refused'
        case 'NotFoundError':
        case 'OverconstrainedError':
            return 'absent'
        case 'NotReadableError':
        case 'AbortError':
            return 'busy'
        default:
            return 'failed'
    }
}
