// What the agent hears and speaks with, and how far the better models are that a new machine fetches in the background.

import { base, parameters } from "./connection.js";

const EVERY_MS = 2000;
const EARS = { pocketsphinx: "pocketsphinx (light)", whisper: "Whisper" };
const VOICES = { espeak: "espeak-ng (light)", flite: "flite (light)", kokoro: "Kokoro" };

export class Drivers {
  /** `page` has drivers, arrival, progress and arrivalText. */
  constructor(page) {
    this.page = page;
    this.wasArriving = false;
  }

  /** Asks now, and again while something is on its way. */
  async load() {
    clearTimeout(this.timer);
    const url = new URL("speech", base());
    const agent = parameters().get("agent");
    if (agent) url.searchParams.set("agent", agent);
    try {
      const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(4000) });
      if (response.ok) this.show((await response.json()).data);
    } catch (error) {
      console.warn("speech drivers unknown", error);
    }
    clearTimeout(this.timer);
    if (this.isArriving) this.timer = setTimeout(() => this.load(), EVERY_MS);
  }

  show({ stt, tts, models }) {
    this.page.drivers.textContent = `Hears with ${EARS[stt] ?? stt}, speaks with ${VOICES[tts] ?? tts}.`;
    const { isArriving, text, share } = arrival(models, this.wasArriving);
    this.isArriving = isArriving;
    this.wasArriving ||= isArriving;
    this.page.arrival.hidden = !text;
    this.page.arrivalText.textContent = text;
    this.page.progress.hidden = !isArriving;
    this.page.progress.value = share;
  }
}

/** What is to be said about the models on their way. */
export function arrival(models, wasArriving) {
  const missing = models.filter(({ state }) => state === "waiting" || state === "installing");
  const failed = models.filter(({ state }) => state === "failed");
  const total = models.reduce((sum, model) => sum + model.total, 0);
  const done = models.reduce((sum, model) => sum + Math.min(model.done, model.total), 0);
  const megabytes = (bytes) => Math.round(bytes / 1e6);
  if (missing.length) {
    const text = `Better speech is on its way: ${megabytes(done)} of ${megabytes(total)} MB. You can talk meanwhile.`;
    return { isArriving: true, text, share: total ? done / total : 0 };
  }
  if (failed.length) {
    const text = `Better speech could not be fetched (${failed[0].reason || failed[0].name}). Everything works with the light one.`;
    return { isArriving: false, text, share: 0 };
  }
  return { isArriving: false, text: wasArriving ? "Better speech has arrived; the next call uses it." : "", share: 1 };
}
