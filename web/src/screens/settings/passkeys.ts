/** Making a passkey. */

/** Asks the device for a new passkey; null where the user turned it down. */
export async function makePasskey(
    options: PublicKeyCredentialCreationOptionsJSON & { challenge_id?: string },
): Promise<Record<string, unknown> | null> {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options)
    try {
        const credential = await navigator.credentials.create({ publicKey })
        if (!(credential instanceof PublicKeyCredential)) return null
        return { ...(credential.toJSON() as unknown as Record<string, unknown>), challenge_id: options.challenge_id }
    } catch (error) {
        if (error instanceof DOMException && ['NotAllowedError', 'AbortError'].includes(error.name)) return null
        throw error
    }
}
