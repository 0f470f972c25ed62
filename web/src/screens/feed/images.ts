/** Pictures of the community itself, such as emoji and stickers: by a signed address, else downloaded with the login. */
import type { SyncClient } from '../../sync/contract'
import { mediaLinks } from './media_links'

const HELD = 400
const held = new Map<string, Promise<string>>()

/** An address for an `<img>`; empty where the picture cannot be had. */
export async function addressOfImage(client: Pick<SyncClient, 'download' | 'request'>, image: string): Promise<string> {
    const path = /(?:^|\/)api\/v1\/(.+)$/.exec(image)?.[1]
    if (path === undefined) return ''
    const query = await mediaLinks(client).query()
    if (query !== '') return `${image}${image.includes('?') ? '&' : '?'}${query}`
    const known = held.get(path)
    if (known !== undefined) return known
    const address = client
        .download(path)
        .then((blob) => URL.createObjectURL(blob))
        .catch(() => '')
    held.set(path, address)
    const [oldest] = held
    if (held.size > HELD && oldest !== undefined) {
        held.delete(oldest[0])
        void oldest[1].then((url) => URL.revokeObjectURL(url))
    }
    return address
}
