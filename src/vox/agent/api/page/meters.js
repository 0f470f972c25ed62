// The two level meters: who speaks, and how loudly.

/** Shows whether a side ("user" or "bot") speaks. */
export function setSpeaking(who, isSpeaking) {
  meter(who).classList.toggle("speaking", isSpeaking);
  if (!isSpeaking) meter(who).style.setProperty("--level", "0");
}

/** Shows how loud a side is; `level` is an RMS from 0 to 1. */
export function showLevel(who, level) {
  // The ear is logarithmic: -50 dB is nothing, -10 dB is full.
  const height = Math.max(0, Math.min(1, (20 * Math.log10(level + 1e-6) + 50) / 40));
  meter(who).style.setProperty("--level", height.toFixed(2));
}

function meter(who) {
  return document.getElementById(`${who}-voice`);
}
