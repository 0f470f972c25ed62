// The microphone and the speaker of one page: devices, permissions, and the two audio worklets.

const NAMES = ["playback-worklet.js", "capture-worklet.js"];
const MICROPHONE_RATE = 16000;
const MOST_HEARD_S = 300;

/** Why there is no microphone, in `kind`: "insecure", "denied", "missing" or "busy". */
export class MicrophoneError extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

export class Sound {
  /** `listener` has spoken(pcm, rate, level), played("started" | "stopped") and level(level). */
  constructor(listener, { record = false, worklets = null } = {}) {
    this.listener = listener;
    this.worklets = worklets; // addresses of both modules, where a build has moved them
    this.record = record;
    this.heardChunks = [];
    this.heardSamples = 0;
  }

  /** Opens the speaker. Call it first from a click: browsers keep pages silent until then. */
  async open() {
    clearTimeout(this.resting);
    if (this.context) await this.context.resume();
    if (this.context || !window.AudioWorkletNode) return;
    const context = new AudioContext({ latencyHint: "interactive" });
    this.context = context;
    const modules = this.worklets ?? NAMES.map((name) => new URL(name, import.meta.url));
    await Promise.all([context.resume(), ...modules.map((url) => context.audioWorklet.addModule(url))]);
    this.player = new AudioWorkletNode(context, "playback", {
      numberOfInputs: 1,
      outputChannelCount: [1],
      processorOptions: { record: this.record },
    });
    this.player.port.onmessage = ({ data }) => this.receive(data);
    this.player.connect(context.destination);
    await this.chooseSpeaker(this.speakerId);
  }

  get isAudible() {
    return Boolean(this.player);
  }

  get hasMicrophone() {
    return Boolean(this.stream);
  }

  /** How long a sample takes from the worklet to the ear, in seconds. */
  get outputLatency() {
    return this.context?.outputLatency || this.context?.baseLatency || 0;
  }

  /** The microphone's track; null without one. */
  get track() {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  /** Plays a live stream from now on, in place of the one before; null for none. */
  playStream(stream) {
    this.live?.disconnect();
    this.pump?.pause();
    this.live = this.pump = null;
    if (!stream || !this.context) return;
    this.pump = new Audio(); // Chromium decodes a remote track only while an element plays it
    this.pump.muted = true;
    this.pump.srcObject = stream;
    this.pump.play().catch(() => {});
    this.live = this.context.createMediaStreamSource(stream);
    this.live.connect(this.player);
  }

  /** Opens the microphone, or changes to another one. */
  async openMicrophone(deviceId = "") {
    if (!navigator.mediaDevices?.getUserMedia || !this.context) throw new MicrophoneError("insecure");
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    if (deviceId) audio.deviceId = { exact: deviceId };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new MicrophoneError(microphoneProblem(error.name));
    }
    this.closeMicrophone();
    this.stream = stream;
    this.source = this.context.createMediaStreamSource(stream);
    this.capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    this.capture.port.onmessage = ({ data }) => this.listener.spoken(data.pcm, MICROPHONE_RATE, data.level);
    this.source.connect(this.capture);
  }

  closeMicrophone() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.source?.disconnect();
    if (this.capture) this.capture.port.onmessage = null;
    this.stream = this.source = this.capture = null;
  }

  /** Between calls: no microphone, nothing left to play, and soon no work for the sound card. */
  rest() {
    this.closeMicrophone();
    this.playStream(null);
    this.clear();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.context?.suspend(), 300);
  }

  mute(isMuted) {
    for (const track of this.stream?.getTracks() ?? []) track.enabled = !isMuted;
  }

  get canChooseSpeaker() {
    return "setSinkId" in (window.AudioContext?.prototype ?? {});
  }

  async chooseSpeaker(deviceId = "") {
    this.speakerId = deviceId;
    if (this.context && this.canChooseSpeaker && (this.context.sinkId ?? "") !== deviceId) await this.context.setSinkId(deviceId);
  }

  play(pcm, rate) {
    this.player?.port.postMessage({ kind: "audio", pcm, rate }, [pcm]);
  }

  /** Drops what has not been played. */
  clear() {
    this.player?.port.postMessage({ kind: "clear" });
  }

  /** The reply is complete: play what is left without waiting for more. */
  finish() {
    this.player?.port.postMessage({ kind: "end" });
  }

  /** What has been played so far, where the page was opened with ?record=1: {sampleRate, samples, base64} (s16le mono). */
  heard() {
    const samples = new Int16Array(this.heardSamples);
    let position = 0;
    for (const chunk of this.heardChunks) {
      samples.set(chunk, position);
      position += chunk.length;
    }
    let binary = "";
    const bytes = new Uint8Array(samples.buffer);
    for (let start = 0; start < bytes.length; start += 32768) {
      binary += String.fromCharCode(...bytes.subarray(start, start + 32768));
    }
    return { sampleRate: this.context?.sampleRate ?? 0, samples, base64: btoa(binary) };
  }

  receive(message) {
    if (message.kind === "level") this.listener.level(message.level);
    else if (message.kind !== "heard") this.listener.played(message.kind);
    else if (this.heardSamples < MOST_HEARD_S * this.context.sampleRate) {
      const chunk = new Int16Array(message.pcm);
      this.heardChunks.push(chunk);
      this.heardSamples += chunk.length;
    }
  }
}

/** Why a microphone will not work, as far as that is known before it is asked for: a kind as in `MicrophoneError`, or "". */
export async function foreseenProblem() {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) return "insecure";
  const all = await navigator.mediaDevices.enumerateDevices();
  if (!all.some(({ kind }) => kind === "audioinput")) return "missing";
  try {
    const permission = await navigator.permissions.query({ name: "microphone" });
    return permission.state === "denied" ? "denied" : "";
  } catch {
    return ""; // not every browser tells
  }
}

/** The devices of a kind ("audioinput", "audiooutput") as {id, label}. */
export async function devices(kind) {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return all.filter((device) => device.kind === kind && device.deviceId).map(({ deviceId, label }) => ({ id: deviceId, label }));
}

function microphoneProblem(name) {
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  return "busy";
}
