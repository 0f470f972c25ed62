/** Files that need the login, which an address in the page cannot carry. */
import { ApiError } from './http'

const DEADLINE_MS = 120_000

/** The file behind an address of REST. Throws `ApiError`. */
export async function readFile(address: URL, token: string, signal: AbortSignal): Promise<Blob> {
    const deadline = AbortSignal.timeout(DEADLINE_MS)
    let response: Response
    let blob: Blob
    try {
        response = await fetch(address, {
            headers: { authorization: `Bearer ${token}` },
            signal: AbortSignal.any([signal, deadline]),
            credentials: 'omit',
            referrerPolicy: 'no-referrer',
        })
        blob = await response.blob()
    } catch (error) {
        if (signal.aborted) throw error
        throw new ApiError(0, deadline.aborted ? 'TIMEOUT' : 'NETWORK', String(error))
    }
    if (!response.ok) throw new ApiError(response.status, `HTTP_${response.status}`, '')
    return blob
}
