/** The slash commands of the community's bots, read when the first one is being typed. */
import type { RequestOptions } from '../../api/http'

export interface CommandParam {
    name: string
    description?: string
    required?: boolean
    type?: string
}

export interface Command {
    name: string
    description?: string | null
    params?: CommandParam[] | null
}

interface Asker {
    request<T>(path: string, options?: RequestOptions): Promise<T>
}

const FRESH_MS = 60_000
const read = new WeakMap<Asker, { at: number; commands: Promise<readonly Command[]> }>()

/** The commands as they were at most a minute ago; none where they cannot be read. */
export function commandsOf(asker: Asker): Promise<readonly Command[]> {
    const known = read.get(asker)
    if (known !== undefined && known.at > Date.now() - FRESH_MS) return known.commands
    const commands = asker
        .request<{ commands: Command[] }>('commands')
        .then((answer) => answer.commands)
        .catch(() => {
            read.delete(asker)
            return []
        })
    read.set(asker, { at: Date.now(), commands })
    return commands
}
