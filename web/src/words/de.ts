/** German: the words of all screens. */
import { errors, failures } from './de/errors'
import { feed } from './de/feed'
import { frame } from './de/frame'
import { search } from './de/search'
import { setup } from './de/setup'
import { threads } from './de/threads'
import type { Tables } from './language.svelte'

export const words: Tables = { errors, failures, feed, frame, search, setup, threads }
