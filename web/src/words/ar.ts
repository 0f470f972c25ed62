/** Arabic: the words of all screens. */
import { errors, failures } from './ar/errors'
import { feed } from './ar/feed'
import { frame } from './ar/frame'
import { search } from './ar/search'
import { setup } from './ar/setup'
import { shell } from './ar/shell'
import { threads } from './ar/threads'
import { voice, voiceSettings } from './ar/voice'
import type { Tables } from './language.svelte'

export const words: Tables = { errors, failures, feed, frame, search, setup, shell, threads, voice, voiceSettings }
