/** Passkeys as the browser and the server speak of them. */

/** Whether this page may use passkeys at all: a secure context, and a browser that reads the JSON form of options. */
export function hasPasskeys(): boolean {
    return (
        window.isSecureContext &&
        typeof PublicKeyCredential !== 'undefined' &&
        typeof PublicKeyCredential.parseRequestOptionsFromJSON === 'function'
    )
}

/** Asks the device to prove itself; null where the user turned it down. */
export async function proveWithPasskey(challenge: {
    challenge_id: string
    options: PublicKeyCredentialRequestOptionsJSON
}): Promise<Record<string, unknown> | null> {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(challenge.options)
    try {
        const credential = await navigator.credentials.get({ publicKey })
        if (!(credential instanceof PublicKeyCredential)) return null
        return { ...(credential.toJSON() as unknown as Record<string, unknown>), challenge_id: challenge.challenge_id }
    } catch (error) {
        if (error instanceof DOMException && ['NotAllowedError', 'AbortError'].includes(error.name)) return null
        throw error
    }
}

/** The same proof in the flat form of `/auth/login/webauthn`. */
export function flatProof(proof: Record<string, unknown>): Record<string, unknown> {
    const response = proof.response as Record<string, unknown>
    return {
        challenge_id: proof.challenge_id,
        credential_id: proof.id,
        client_data_json: response.clientDataJSON,
        authenticator_data: response.authenticatorData,
        signature: response.signature,
        user_handle: response.userHandle ?? null,
    }
}
