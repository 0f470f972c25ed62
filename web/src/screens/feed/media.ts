/** Files of messages for `<img>` and `<video>`, which send no login: a signed link where the server gives one, else what was downloaded. */
import type { Attachment, SyncClient } from '../../sync/contract'

const HELD = 80

export type Downloads = Pick<SyncClient, 'download'>

const held = new Map<string, Promise<string>>()

/** An address for a file, as long as no `HELD` others were shown after it. */
export function addressOfFile(client: Downloads, file: Attachment, thumbnail = false): Promise<string> {
    if (file.url !== null && /[?&]signature=/.test(file.url)) return Promise.resolve(file.url)
    const key = `${file.file_id}${thumbnail ? '?' : ''}`
    const known = held.get(key)
    if (known !== undefined) {
        held.delete(key)
        held.set(key, known)
        return known
    }
    const path = thumbnail ? `files/${file.file_id}/thumbnail?size=640` : `files/${file.file_id}`
    const address = client.download(path).then((blob) => URL.createObjectURL(blob))
    held.set(key, address)
    address.catch(() => held.delete(key))
    const [oldest] = held
    if (held.size > HELD && oldest !== undefined) {
        held.delete(oldest[0])
        void oldest[1].then((url) => URL.revokeObjectURL(url)).catch(() => undefined)
    }
    return address
}

/** Saves a file on the computer. */
export async function save(client: Downloads, file: Attachment): Promise<void> {
    const url = URL.createObjectURL(await client.download(`files/${file.file_id}`))
    const link = document.createElement('a')
    link.href = url
    link.download = file.name
    link.click()
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** What the server has decoded, and so what may be shown as a picture. */
export const isPicture = (file: { mime: string }): boolean => /^image\/(png|jpeg|gif|webp)$/.test(file.mime)
export const isSound = (file: { mime: string }): boolean =>
    /^audio\/(mpeg|mp4|ogg|wav|webm|flac|aac|opus|x-wav)$/.test(file.mime)
export const isFilm = (file: { mime: string }): boolean => /^video\/(mp4|webm|ogg)$/.test(file.mime)
