/** Stickers and moving pictures as they are picked: what is shown of each, and the card that is sent. */
import type { SyncClient } from '../../sync/contract'
import { addressOfImage } from './images'
import { mediaLinks } from './media_links'

export interface Card {
    key: string
    title: string
    address: () => Promise<string>
    /** What is sent. */
    embed: Record<string, unknown>
}

type Asker = Pick<SyncClient, 'request' | 'download'>

interface Format {
    url: string
    width: number
    height: number
}

const MOST = 200

/** The community's stickers. Throws `ApiError`. */
export async function readStickers(client: Asker): Promise<Card[]> {
    const { items } = await client.request<{ items: { sticker_id: string; name: string; image?: string | null }[] }>(
        'stickers',
        { query: { limit: MOST } },
    )
    return items.flatMap(({ sticker_id, name, image }) =>
        image
            ? [
                  {
                      key: sticker_id,
                      title: name,
                      address: () => addressOfImage(client, image),
                      embed: { type: 'sticker', title: name, image: new URL(image, window.location.href).href },
                  },
              ]
            : [],
    )
}

/** Moving pictures for some words, or those liked at the moment; shown and sent through this server alone. Throws `ApiError`. */
export async function readGifs(client: Asker, query: string, signal: AbortSignal): Promise<Card[]> {
    const { results } = await client.request<{
        results: { id: string; title: string; media_formats: Record<string, Format> }[]
    }>(query === '' ? 'gifs/trending' : 'gifs/search', { query: query === '' ? {} : { q: query }, signal })
    return results.flatMap(({ id, title, media_formats: formats }) => {
        const small = formats.tinygif ?? formats.smallgif ?? formats.gif
        const large = formats.smallgif ?? formats.gif ?? small
        if (small === undefined || large === undefined) return []
        return [
            {
                key: id,
                title,
                address: async () => (await mediaLinks(client).of(small.url)) ?? '',
                embed: { type: 'gif', title, image: large.url, image_width: large.width, image_height: large.height },
            },
        ]
    })
}
