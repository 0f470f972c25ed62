/** Whether the server has another build of this page than the one that runs: looked up when one returns to it. */

const EVERY_MS = 10 * 60_000

class NewBuild {
    isThere = $state(false)
    private last = Date.now()

    /** Watches until the returned function is called. */
    watch(): () => void {
        const look = (): void => {
            if (document.visibilityState === 'visible') void this.look()
        }
        document.addEventListener('visibilitychange', look)
        const timer = setInterval(look, EVERY_MS)
        return () => {
            document.removeEventListener('visibilitychange', look)
            clearInterval(timer)
        }
    }

    private async look(): Promise<void> {
        if (this.isThere || Date.now() - this.last < EVERY_MS) return
        this.last = Date.now()
        const running = document.querySelector<HTMLScriptElement>('script[type="module"]')?.getAttribute('src')
        try {
            const answer = await fetch('./', {
                cache: 'no-store',
                credentials: 'omit',
                signal: AbortSignal.timeout(10_000),
            })
            const served = /<script[^>]*type="module"[^>]*src="([^"]+)"/.exec(await answer.text())?.[1]
            this.isThere = answer.ok && served !== undefined && running != null && served !== running
        } catch {
            // Without an answer nothing is known.
        }
    }
}

export const newBuild = new NewBuild()
