/** A random name for a message on its way. `crypto.randomUUID` is missing at addresses that are not encrypted. */
export function nonce(): string {
    const bytes = crypto.getRandomValues(new Uint8Array(16))
    return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
