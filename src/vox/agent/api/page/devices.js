// The lists of microphones and speakers, and what is said about a microphone that will not work.

import { devices } from "./sound.js";

/** By the kinds of `MicrophoneError`: what is wrong, and the remedy. */
export const MICROPHONE_PROBLEMS = {
  denied: "The microphone is blocked. Allow it for this page in your browser to talk; you can type meanwhile.",
  missing: "No microphone was found. Connect one to talk; you can type meanwhile.",
  busy: "The microphone could not be opened; another program may be using it. You can type meanwhile.",
  insecure:
    "Browsers give pages a microphone and sound only on https or on localhost, and this page is neither. You can type; answers appear as text.",
};

/** Fills both lists and keeps what was chosen where it is still there. */
export async function listDevices(mic, speaker) {
  await Promise.all([fill(mic, "audioinput"), fill(speaker, "audiooutput")]);
}

async function fill(select, kind) {
  const found = await devices(kind);
  const chosen = select.value;
  const others = found.filter(({ id }) => id !== "default");
  select.replaceChildren(
    new Option("System default", ""),
    ...others.map(({ id, label }, index) => new Option(label || `Device ${index + 1}`, id)),
  );
  select.value = others.some(({ id }) => id === chosen) ? chosen : "";
}
