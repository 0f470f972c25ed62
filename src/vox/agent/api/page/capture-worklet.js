// The microphone as 20 ms frames of 16 kHz s16le mono, each posted with its level (RMS, 0 to 1).

import { Resampler } from "./resampler.js";

const RATE = 16000;
const FRAME = 320;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.energy = 0;
  }

  process([channels]) {
    if (!channels?.length) return true;
    for (const sample of this.resampler.process(toMono(channels))) {
      const clamped = Math.max(-1, Math.min(1, sample));
      this.energy += clamped * clamped;
      this.frame[this.filled++] = Math.round(clamped * 32767);
      if (this.filled === FRAME) this.post();
    }
    return true;
  }

  post() {
    const level = Math.sqrt(this.energy / FRAME);
    this.port.postMessage({ pcm: this.frame.buffer, level }, [this.frame.buffer]);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.energy = 0;
  }
}

function toMono(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, index) => channels.reduce((sum, channel) => sum + channel[index], 0) / channels.length);
}

registerProcessor("capture", Capture);
