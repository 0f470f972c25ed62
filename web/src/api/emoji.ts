/** Routes of the community's own emoji and stickers, which are alike. */
import type { Id } from '../core/ids'
import type { Asker } from './threads'

export type PictureKind = 'emoji' | 'stickers'

export interface Picture {
    id: Id
    name: string
    image: string
}

type Raw = { emoji_id?: Id; sticker_id?: Id; name: string; image: string }

export const PAGE_OF_PICTURES = 100

const pictureOf = ({ emoji_id, sticker_id, name, image }: Raw): Picture => ({
    id: emoji_id ?? sticker_id ?? '',
    name,
    image,
})

export async function readPictures(
    asker: Asker,
    kind: PictureKind,
    after?: string,
): Promise<{ items: Picture[]; cursor: string | null }> {
    const query = { limit: PAGE_OF_PICTURES, after }
    const page = await asker.request<{ items: Raw[]; cursor: string | null }>(kind, { query })
    return { items: page.items.map(pictureOf), cursor: page.cursor }
}

export async function addPicture(asker: Asker, kind: PictureKind, name: string, image: File): Promise<Picture> {
    const form = new FormData()
    form.append('image', image)
    form.append('name', name)
    return pictureOf(await asker.request<Raw>(kind, { method: 'POST', body: form }))
}

export async function renamePicture(asker: Asker, kind: PictureKind, id: Id, name: string): Promise<Picture> {
    return pictureOf(await asker.request<Raw>(`${kind}/${id}`, { method: 'PATCH', body: { name } }))
}

export function deletePicture(asker: Asker, kind: PictureKind, id: Id): Promise<void> {
    return asker.request<void>(`${kind}/${id}`, { method: 'DELETE' })
}
