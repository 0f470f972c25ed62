/** The sentence for a refusal about people; the general one where there is none of its own. */
import { ApiError } from '../../api/http'
import { people as words } from '../../words/en/people'
import { sentenceOf } from '../../words/errors'

export function refusal(error: unknown): string {
    const own = error instanceof ApiError ? words.refusals[error.code] : undefined
    return own ?? sentenceOf(error)
}
