/** What was said in the room, as the media carries it: sentences that grow while they are spoken. */
import type { Room } from 'livekit-client'

export interface Caption {
    id: string
    identity: string
    text: string
    isFinal: boolean
    /** When it began, in ms. */
    at: number
}

const MOST = 200
const LONGEST = 4_000

export class Captions {
    all = $state.raw<readonly Caption[]>([])

    /** Reads those of one room; they stay when the room is connected anew. */
    listen(media: Room): void {
        media.registerTextStreamHandler('lk.transcription', (reader, { identity }) => {
            const { attributes = {}, id } = reader.info
            const key = `${identity} ${attributes['lk.segment_id'] ?? id}`
            const isFinal = attributes['lk.transcription_final'] !== 'false'
            void this.read(reader, { id: key, identity, text: '', isFinal, at: Date.now() })
        })
    }

    clear(): void {
        this.all = []
    }

    private async read(chunks: AsyncIterable<string>, caption: Caption): Promise<void> {
        let { text } = caption
        try {
            for await (const chunk of chunks) {
                text = (text + chunk).slice(0, LONGEST)
                this.put({ ...caption, text, isFinal: false })
            }
        } catch {
            // The speaker's connection ended within the sentence: what came of it stands.
        }
        this.put({ ...caption, text })
    }

    private put(caption: Caption): void {
        if (caption.text.trim() === '') return
        const known = this.all.findIndex((one) => one.id === caption.id)
        if (known < 0) this.all = [...this.all, caption].slice(-MOST)
        else this.all = this.all.with(known, { ...caption, at: this.all[known]!.at })
    }
}
