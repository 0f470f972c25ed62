/** Cards below a message, as their author wrote them: nothing in them is trusted. */

export interface Card {
    title: string
    description: string
    /** An address of the web, or empty. */
    url: string
    site: string
    image: string
    width: number | null
    height: number | null
    /** A moving picture that stands alone, without a card. */
    isPicture: boolean
    /** The path of a picture of this server, of which a sticker is made. */
    sticker: string
    fields: { name: string; value: string }[]
}

const text = (value: unknown, most: number): string => (typeof value === 'string' ? value.slice(0, most) : '')

/** The address where it leads to the web; else empty. */
export function webAddress(value: unknown): string {
    if (typeof value !== 'string') return ''
    try {
        const { protocol, href } = new URL(value)
        return protocol === 'https:' || protocol === 'http:' ? href : ''
    } catch {
        return ''
    }
}

const size = (value: unknown): number | null =>
    typeof value === 'number' && value > 0 && value < 100_000 ? Math.round(value) : null

/** What of an embed can be shown; null where nothing of it can. */
export function cardOf(embed: Readonly<Record<string, unknown>>): Card | null {
    const image = webAddress(embed.image) || webAddress(embed.thumbnail)
    const fields = Array.isArray(embed.fields) ? (embed.fields as unknown[]) : []
    const card: Card = {
        title: text(embed.title, 256),
        description: text(embed.description, 2048),
        url: webAddress(embed.url),
        site: text(embed.site_name, 100),
        image,
        width: size(embed.image_width),
        height: size(embed.image_height),
        isPicture: embed.type === 'gif' && image !== '',
        sticker: embed.type === 'sticker' ? (/\/api\/v1\/files\/[\w-]{1,64}$/.exec(image)?.[0] ?? '') : '',
        fields: fields.slice(0, 25).flatMap((one) => {
            const { name, value } = (typeof one === 'object' && one !== null ? one : {}) as Record<string, unknown>
            return typeof name === 'string' && typeof value === 'string'
                ? [{ name: name.slice(0, 256), value: value.slice(0, 1024) }]
                : []
        }),
    }
    const isEmpty = card.title === '' && card.description === '' && card.image === '' && card.fields.length === 0
    return isEmpty ? null : card
}
