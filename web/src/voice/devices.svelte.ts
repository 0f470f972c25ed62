/** The microphones, loudspeakers and cameras of this computer, as they come and go. */

export type DeviceKind = 'audioinput' | 'audiooutput' | 'videoinput'

class Devices {
    all = $state.raw<readonly MediaDeviceInfo[]>([])
    private watching = false
    private readonly heard = new Set<() => void>()

    of(kind: DeviceKind): readonly MediaDeviceInfo[] {
        // The system's own stands in every list as a choice of ours.
        return this.all.filter((one) => one.kind === kind && one.deviceId !== '' && one.deviceId !== 'default')
    }

    /** Reads the list, and from now on whenever it changes. Names are there once a device was allowed. */
    async read(): Promise<void> {
        // An insecure page has no devices at all.
        const media = navigator.mediaDevices as MediaDevices | undefined
        if (media === undefined) return
        if (!this.watching) {
            this.watching = true
            media.addEventListener('devicechange', () => void this.changed())
        }
        this.all = await media.enumerateDevices().catch(() => [])
    }

    /** Calls back after each change of the list; returns how to stop it. */
    onChange(heard: () => void): () => void {
        this.heard.add(heard)
        return () => this.heard.delete(heard)
    }

    private async changed(): Promise<void> {
        await this.read()
        for (const heard of this.heard) heard()
    }
}

export const devices = new Devices()
