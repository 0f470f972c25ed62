// Plays what the agent says: chunks at any sample rate through a small jitter buffer, or a live track, which is its input.
//
// Messages in: {kind: "audio", pcm, rate} (s16le mono), "clear" (interrupted: drop what is left), "end" (the reply is complete).
// Messages out: {kind: "started"}, "stopped", {kind: "level", level}, and with `record` {kind: "heard", pcm}.

import { Resampler } from "./resampler.js";

const START_S = 0.06; // buffered before a reply starts: three frames
const STEP_S = 0.02; // what a late frame adds
const MOST_S = 0.24;
const LATE_WITHIN_S = 0.3; // audio after a gap this short was late; after a longer one it is a new reply
const CALM_S = 20; // without a late frame for so long, the buffer shrinks again
const FADE_S = 0.004;
const MAX_QUEUED_S = 60; // beyond it the oldest is dropped
const LEVEL_EVERY = 2048;
const LIVE_LEVEL = 0.001; // RMS of a block of a live track above which it is speech; between replies it is exactly silent
const LIVE_PAUSE_S = 0.4; // silence of a live track after which a reply is over
const LIVE_CUT_S = 0.25; // what the browser's own buffer may still hold of a live track when it is cut

class Playback extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.isRecording = processorOptions.record;
    this.chunks = [];
    this.queued = 0;
    this.offset = 0;
    this.isPlaying = false;
    this.isComplete = false;
    this.waited = 0;
    this.target = START_S;
    this.ranDryAt = -1;
    this.lastLateAt = 0;
    this.energy = 0;
    this.measured = 0;
    this.isLive = false;
    this.liveAt = 0;
    this.silentUntil = 0;
    this.port.onmessage = ({ data }) => this.receive(data);
  }

  receive(message) {
    if (message.kind === "audio") this.add(new Int16Array(message.pcm), message.rate);
    else if (message.kind === "clear") this.clear();
    else if (message.kind === "end") this.complete();
  }

  add(pcm, rate) {
    if (rate !== this.rate || this.isComplete) {
      this.rate = rate;
      this.resampler = new Resampler(rate, sampleRate);
    }
    if (this.ranDryAt >= 0 && !this.isComplete && currentTime - this.ranDryAt < LATE_WITHIN_S) {
      this.target = Math.min(MOST_S, this.target + STEP_S);
      this.lastLateAt = currentTime;
    }
    this.ranDryAt = -1;
    this.isComplete = false;
    this.push(this.resampler.process(Float32Array.from(pcm, (sample) => sample / 32768)));
  }

  push(samples) {
    if (!samples.length) return;
    this.chunks.push(samples);
    this.queued += samples.length;
    while (this.queued > MAX_QUEUED_S * sampleRate) {
      this.queued -= this.chunks.shift().length - this.offset;
      this.offset = 0;
    }
  }

  complete() {
    if (this.resampler && !this.isComplete) this.push(this.resampler.finish());
    this.isComplete = true;
  }

  clear() {
    this.silentUntil = this.isLive ? currentTime + LIVE_CUT_S : 0;
    const fade = new Float32Array(this.isPlaying ? Math.min(this.queued, Math.round(FADE_S * sampleRate)) : 0);
    this.take(fade);
    this.chunks = [];
    this.queued = 0;
    this.offset = 0;
    this.push(fade.map((sample, index) => sample * (1 - index / fade.length)));
    this.isComplete = true;
  }

  process(inputs, [[output, ...others]]) {
    if (!this.isPlaying && this.queued) this.start(output.length);
    if (this.isPlaying) this.play(output);
    if (inputs[0]?.length) this.playLive(inputs[0], output);
    for (const other of others) other.set(output);
    this.measure(output);
    return true;
  }

  start(block) {
    const target = this.target * sampleRate;
    this.waited += block;
    if (this.queued < target && this.waited < target && !this.isComplete) return;
    if (currentTime - this.lastLateAt > CALM_S && this.target > START_S) {
      this.target = Math.max(START_S, this.target - STEP_S);
      this.lastLateAt = currentTime;
    }
    this.isPlaying = true;
    this.waited = 0;
    this.port.postMessage({ kind: "started" });
  }

  play(output) {
    const played = this.take(output);
    if (this.isRecording && played) this.record(output.subarray(0, played));
    if (played === output.length) return;
    this.isPlaying = false;
    this.ranDryAt = currentTime;
    this.port.postMessage({ kind: "stopped" });
  }

  playLive(channels, output) {
    if (currentTime < this.silentUntil) return;
    let energy = 0;
    for (let at = 0; at < output.length; at++) {
      const sample = channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length;
      energy += sample * sample;
      output[at] += sample;
    }
    if (Math.sqrt(energy / output.length) > LIVE_LEVEL) {
      this.liveAt = currentTime;
      if (!this.isLive) this.port.postMessage({ kind: "started" });
      this.isLive = true;
    } else if (this.isLive && currentTime - this.liveAt > LIVE_PAUSE_S) {
      this.isLive = false;
      this.port.postMessage({ kind: "stopped" });
    }
    if (this.isRecording && this.isLive) this.record(output);
  }

  record(samples) {
    const pcm = Int16Array.from(samples, (sample) => Math.max(-32768, Math.min(32767, sample * 32768)));
    this.port.postMessage({ kind: "heard", pcm: pcm.buffer }, [pcm.buffer]);
  }

  take(output) {
    let taken = 0;
    while (taken < output.length && this.queued) {
      const chunk = this.chunks[0];
      const part = chunk.subarray(this.offset, this.offset + output.length - taken);
      output.set(part, taken);
      taken += part.length;
      this.queued -= part.length;
      this.offset += part.length;
      if (this.offset === chunk.length) {
        this.chunks.shift();
        this.offset = 0;
      }
    }
    return taken;
  }

  measure(output) {
    for (const sample of output) this.energy += sample * sample;
    this.measured += output.length;
    if (this.measured < LEVEL_EVERY) return;
    this.port.postMessage({ kind: "level", level: Math.sqrt(this.energy / this.measured) });
    this.measured = 0;
    this.energy = 0;
  }
}

registerProcessor("playback", Playback);
