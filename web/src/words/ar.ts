/** Arabic: the words of all screens. */
import { errors, failures } from './ar/errors'
import { feed } from './ar/feed'
import { frame } from './ar/frame'
import { search } from './ar/search'
import { setup } from './ar/setup'
import { threads } from './ar/threads'
import type { Tables } from './language.svelte'

export const words: Tables = { errors, failures, feed, frame, search, setup, threads }
