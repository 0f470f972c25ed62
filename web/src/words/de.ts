/** German: the words of all screens. */
import { errors, failures } from './de/errors'
import { feed } from './de/feed'
import { frame } from './de/frame'
import { search } from './de/search'
import { setup } from './de/setup'
import { shell } from './de/shell'
import { threads } from './de/threads'
import { voice, voiceSettings } from './de/voice'
import type { Tables } from './language.svelte'

export const words: Tables = { errors, failures, feed, frame, search, setup, shell, threads, voice, voiceSettings }
