/** One thing that a section does at a time, and how it ended. */
import { refusal } from '../members/refusals'

export class Work {
    busy = $state(false)
    problem = $state('')
    said = $state('')

    /** Runs it and says `done`; whether it went well. `explain` gives a sentence of its own for some failures. */
    async run(work: () => Promise<unknown>, done = '', explain?: (error: unknown) => string | null): Promise<boolean> {
        if (this.busy) return false
        this.busy = true
        this.problem = ''
        this.said = ''
        try {
            await work()
            this.said = done
            return true
        } catch (error) {
            this.problem = explain?.(error) ?? refusal(error)
            return false
        } finally {
            this.busy = false
        }
    }
}
