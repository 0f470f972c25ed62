/** Composition: which server, which login, which screen. Everything else is loaded when it is needed. */
import './ui/base.css'

import { mount } from 'svelte'

import App from './screens/App.svelte'
import { showAppearance, storedAppearance } from './ui/appearance'
import { storedTheme, useTheme } from './ui/theme'
import { startLanguage } from './words/language.svelte'

const target = document.getElementById('app')
if (target === null) throw new Error('index.html has no #app')
useTheme(storedTheme())
showAppearance(storedAppearance())
void startLanguage().then(() => mount(App, { target }))
