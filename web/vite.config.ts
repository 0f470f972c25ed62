import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

const compressible = /\.(html|js|css|svg|json|webmanifest)$/

/** Writes a .br and a .gz beside each file, so that the server compresses nothing while it serves. */
function precompressed(): Plugin {
    return {
        name: 'precompressed',
        apply: 'build',
        async writeBundle({ dir }) {
            if (dir === undefined) return
            for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
                if (!entry.isFile() || !compressible.test(entry.name)) continue
                const path = join(entry.parentPath, entry.name)
                const source = await readFile(path)
                const best = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }
                await writeFile(`${path}.br`, await promisify(brotliCompress)(source, best))
                await writeFile(`${path}.gz`, await promisify(gzip)(source, { level: 9 }))
            }
        },
    }
}

export default defineConfig({
    base: './',
    // Calls with agents: the modules of the agent server's own page.
    resolve: {
        alias: { '@talk-page': fileURLToPath(new URL('../src/vox/agent/api/page', import.meta.url)) },
    },
    plugins: [svelte({ compilerOptions: { css: 'external' } }), precompressed()],
    worker: { format: 'es' },
    build: {
        outDir: process.env.VOX_WEB_OUT ?? '../src/vox/runtime/client',
        emptyOutDir: true,
        target: 'es2022',
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        reportCompressedSize: false,
        // The voice chunk holds livekit-client, and is loaded with the first room.
        chunkSizeWarningLimit: 700,
    },
    server: { proxy: { '/api': 'http://127.0.0.1:8000', '/gateway': { target: 'ws://127.0.0.1:8000', ws: true } } },
    test: { include: ['tests/**/*.test.ts'], environment: 'node' },
} as Parameters<typeof defineConfig>[0] & { test: unknown })
