// LiveKit's browser client on strings: commands as JSON over a WebSocket in, what the room tells as JSON out.
"use strict";

const { Room, RoomEvent, Track, ExternalE2EEKeyProvider, RpcError } = LivekitClient;
const RATE = 48000;
const SILENT = 0.01;
const GAP_MS = 60;
const AWAY_MS = 500;
const MOST_RECORDED = 50 * 120;

const context = new AudioContext({ sampleRate: RATE });
const socket = new WebSocket(`ws://${location.host}/socket`);
const waiting = [];
let room;
let microphone;
const tracks = new Map();
const ears = new Map();

function tell(message) {
  const line = JSON.stringify({ ...message, at: Math.round(performance.now()) });
  if (socket.readyState === WebSocket.OPEN) socket.send(line);
  else waiting.push(line);
}

addEventListener("error", (event) => tell({ event: "error", text: String(event.message) }));
addEventListener("unhandledrejection", (event) => tell({ event: "error", text: String(event.reason) }));

// Blocks of 20 ms of a track, as the listener hears them
const worklet = `
registerProcessor("blocks", class extends AudioWorkletProcessor {
  constructor() { super(); this.block = new Float32Array(960); this.filled = 0; }
  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    for (const sample of samples) {
      this.block[this.filled++] = sample;
      if (this.filled === 960) { this.port.postMessage(this.block.slice()); this.filled = 0; }
    }
    return true;
  }
});`;
const prepared = context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: "text/javascript" })));

// What one remote track sounds like: its tone, and where it was silent
class Ear {
  constructor(sender) {
    Object.assign(this, { sender, sid: "", hz: 0, window: [], frames: 0, silent: 0, untold: 0, sounded: 0, recorded: [], gaps: [] });
  }

  hear(block) {
    this.frames += 1;
    if (this.recorded.length < MOST_RECORDED) this.recorded.push(block);
    if (loudness(block) < SILENT) this.silent += 20;
    else {
      const now = performance.now();
      const away = now - this.sounded > AWAY_MS ? Math.round(now - this.sounded) : 0; // a track that ends has no silent blocks
      const silent = Math.max(this.silent, away);
      if (this.sounded && silent >= GAP_MS) this.gaps.push([Math.round(now) - silent, silent]);
      this.sounded = now;
      this.silent = 0;
    }
    this.window.push(block);
    if (this.window.length < 5) return;
    const samples = Float32Array.from(this.window.flatMap((one) => [...one]));
    this.window = [];
    const hz = loudness(samples) < SILENT ? 0 : pitch(samples);
    this.untold = hz === this.hz ? this.untold + 1 : 0;
    this.hz = hz;
    if (this.untold % 5 === 0) tell({ event: "tone", sender: this.sender, sid: this.sid, hz });
  }
}

const loudness = (samples) => Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);

// A pure tone's frequency by its rising zero crossings, to 10 Hz
function pitch(samples) {
  const crossings = [];
  for (let i = 1; i < samples.length; i += 1) {
    if (samples[i - 1] < 0 && samples[i] >= 0) crossings.push(i - 1 + samples[i - 1] / (samples[i - 1] - samples[i]));
  }
  if (crossings.length < 2) return 0;
  const hz = ((crossings.length - 1) * RATE) / (crossings.at(-1) - crossings[0]);
  return Math.round(hz / 10) * 10;
}

async function listen(track, sid, sender) {
  await prepared;
  const element = track.attach();
  element.muted = true;
  document.body.append(element);
  const ear = ears.get(sender) ?? new Ear(sender);
  ear.sid = sid;
  ears.set(sender, ear);
  const node = new AudioWorkletNode(context, "blocks");
  node.port.onmessage = ({ data }) => ear.hear(data);
  const source = context.createMediaStreamSource(new MediaStream([track.mediaStreamTrack]));
  source.connect(node);
  track.ear = { source, node };
}

function watch(track, sid, sender) {
  const element = track.attach();
  element.muted = true;
  element.width = 640;
  element.height = 360;
  document.body.append(element);
  let frames = 0;
  const frame = () => {
    frames += 1;
    if (frames % 10 === 1) tell({ event: "video", sender, sid, frames, width: element.videoWidth, height: element.videoHeight });
    element.requestVideoFrameCallback(frame);
  };
  element.requestVideoFrameCallback(frame);
}

function follow() {
  const on = (event, handler) => room.on(event, handler);
  on(RoomEvent.ParticipantConnected, (who) => tell({ event: "member", sender: who.identity, there: true, kind: who.kind }));
  on(RoomEvent.ParticipantDisconnected, (who) => tell({ event: "member", sender: who.identity, there: false }));
  on(RoomEvent.TrackPublished, (track, who) => tell({ event: "published", sender: who.identity, sid: track.trackSid }));
  on(RoomEvent.TrackUnpublished, (track, who) => tell({ event: "unpublished", sender: who.identity, sid: track.trackSid }));
  on(RoomEvent.TrackSubscribed, (track, publication, who) => {
    tell({ event: "subscribed", sender: who.identity, sid: publication.trackSid, kind: track.kind });
    if (track.kind === Track.Kind.Audio) listen(track, publication.trackSid, who.identity);
    else watch(track, publication.trackSid, who.identity);
  });
  on(RoomEvent.TrackUnsubscribed, (track, publication, who) => {
    track.ear?.source.disconnect();
    track.detach().forEach((element) => element.remove());
    tell({ event: "unsubscribed", sender: who.identity, sid: publication.trackSid });
  });
  on(RoomEvent.LocalTrackSubscribed, (publication) => tell({ event: "listened", sid: publication.trackSid }));
  const muted = (is) => (track, who) => tell({ event: "muted", sender: who.identity, sid: track.trackSid, muted: is });
  on(RoomEvent.TrackMuted, muted(true));
  on(RoomEvent.TrackUnmuted, muted(false));
  on(RoomEvent.ActiveSpeakersChanged, (who) => tell({ event: "speakers", identities: who.map((one) => one.identity) }));
  on(RoomEvent.DataReceived, (payload, who, kind, topic) =>
    tell({ event: "data", sender: who?.identity ?? "", topic: topic ?? "", payload: new TextDecoder().decode(payload), reliable: kind === 0 }));
  on(RoomEvent.ParticipantMetadataChanged, (_, who) => tell({ event: "metadata", sender: who.identity, metadata: who.metadata }));
  on(RoomEvent.ParticipantNameChanged, (name, who) => tell({ event: "name", sender: who.identity, name }));
  on(RoomEvent.ParticipantAttributesChanged, (_, who) => tell({ event: "attributes", sender: who.identity, attributes: { ...who.attributes } }));
  on(RoomEvent.ConnectionQualityChanged, (quality, who) => tell({ event: "quality", sender: who.identity, quality }));
  on(RoomEvent.TrackStreamStateChanged, (track, state, who) => tell({ event: "stream_state", sender: who.identity, sid: track.trackSid, state }));
  on(RoomEvent.RoomMetadataChanged, (metadata) => tell({ event: "room_metadata", metadata }));
  on(RoomEvent.TranscriptionReceived, (segments, who, track) =>
    segments.forEach((one) =>
      tell({ event: "transcription", sender: who?.identity ?? "", segment: one.id, text: one.text, final: one.final, sid: track?.trackSid ?? "" })));
  on(RoomEvent.ParticipantEncryptionStatusChanged, (encrypted, who) => tell({ event: "encryption", sender: who?.identity, encrypted }));
  on(RoomEvent.EncryptionError, (error) => tell({ event: "encryption_error", text: String(error) }));
  on(RoomEvent.SignalReconnecting, () => tell({ event: "state", state: "reconnecting" }));
  on(RoomEvent.Reconnecting, () => tell({ event: "state", state: "restarting" }));
  on(RoomEvent.Reconnected, () => tell({ event: "state", state: "reconnected" }));
  on(RoomEvent.Moved, (name) => tell({ event: "moved", room: name }));
  on(RoomEvent.Disconnected, (reason) => tell({ event: "state", state: "disconnected", reason }));
}

const commands = {
  async join({ url, token, version, e2ee, auto_subscribe = true, relay_only = false }) {
    const options = { singlePeerConnection: version === 1, dynacast: true, adaptiveStream: false };
    if (e2ee) {
      const keyProvider = new ExternalE2EEKeyProvider();
      await keyProvider.setKey(e2ee);
      options.encryption = { keyProvider, worker: new Worker("/livekit-client.e2ee.worker.js") };
    }
    room?.disconnect(); // the application takes another server
    room = new Room(options);
    follow();
    room.registerRpcMethod("echo", async ({ callerIdentity, payload }) => {
      if (payload === "fail") throw new RpcError(1234, "failed as asked", "why");
      return `${callerIdentity}:${payload}`;
    });
    for (const topic of ["chat", "lk.transcription"]) {
      room.registerTextStreamHandler(topic, async (reader, { identity }) => {
        const text = await reader.readAll();
        tell({ event: "text", sender: identity, topic, text, attributes: reader.info.attributes ?? {} });
      });
    }
    if (e2ee) await room.setE2EEEnabled(true);
    const rtcConfig = relay_only ? { iceTransportPolicy: "relay" } : {};
    await room.connect(url, token, { autoSubscribe: auto_subscribe, rtcConfig });
    return { identity: room.localParticipant.identity, sid: room.localParticipant.sid };
  },
  async publish({ hz, name = "tone" }) {
    const oscillator = new OscillatorNode(context, { frequency: hz });
    const gain = new GainNode(context, { gain: 0.3 });
    const destination = context.createMediaStreamDestination();
    oscillator.connect(gain).connect(destination);
    oscillator.start();
    const publication = await room.localParticipant.publishTrack(destination.stream.getAudioTracks()[0], {
      name, source: Track.Source.Microphone, dtx: false,
    });
    tracks.set(publication.trackSid, publication);
    return { sid: publication.trackSid };
  },
  async video({ codec = "vp8", simulcast = true }) {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360, frameRate: 15 } });
    const publication = await room.localParticipant.publishTrack(stream.getVideoTracks()[0], {
      name: "camera", source: Track.Source.Camera, simulcast, videoCodec: codec,
    });
    tracks.set(publication.trackSid, publication);
    return { sid: publication.trackSid };
  },
  async layer({ sid, quality }) {
    remote(sid).setVideoQuality(quality);
  },
  // A microphone that is silent, but for a faint noise, until `say` plays into it
  async microphone() {
    microphone = context.createMediaStreamDestination();
    const noise = new AudioBufferSourceNode(context, { buffer: faint(), loop: true });
    noise.connect(microphone);
    noise.start();
    const publication = await room.localParticipant.publishTrack(microphone.stream.getAudioTracks()[0], {
      name: "microphone", source: Track.Source.Microphone, dtx: false,
    });
    tracks.set(publication.trackSid, publication);
    return { sid: publication.trackSid };
  },
  // Plays base64 of 16-bit PCM into the microphone, and ends with it
  async say({ pcm, rate }) {
    const bytes = Uint8Array.from(atob(pcm), (one) => one.charCodeAt(0));
    const samples = Float32Array.from(new Int16Array(bytes.buffer), (one) => one / 32768);
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: rate });
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(microphone);
    await new Promise((done) => {
      source.onended = done;
      source.start();
    });
  },
  // What was heard of a member since this was asked last: base64 of 16-bit PCM at 48 kHz
  async heard({ sender }) {
    const ear = ears.get(sender);
    const blocks = ear ? ear.recorded.splice(0) : [];
    const samples = Int16Array.from(blocks.flatMap((block) => [...block]), (one) => Math.max(-1, Math.min(1, one)) * 32767);
    const bytes = new Uint8Array(samples.buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return { pcm: btoa(text) };
  },
  async unpublish({ sid }) {
    await room.localParticipant.unpublishTrack(tracks.get(sid).track);
  },
  async mute({ sid, muted }) {
    await (muted ? tracks.get(sid).mute() : tracks.get(sid).unmute());
  },
  async subscribe({ sid, subscribed }) {
    remote(sid).setSubscribed(subscribed);
  },
  async data({ payload, topic, reliable, to }) {
    await room.localParticipant.publishData(new TextEncoder().encode(payload), { reliable, topic, destinationIdentities: to });
  },
  async text({ text, topic, attributes, to }) {
    await room.localParticipant.sendText(text, { topic, attributes, destinationIdentities: to });
  },
  rpc: ({ to, method, payload }) => room.localParticipant.performRpc({ destinationIdentity: to, method, payload }),
  metadata: ({ metadata }) => room.localParticipant.setMetadata(metadata),
  attributes: ({ attributes }) => room.localParticipant.setAttributes(attributes),
  name: ({ name }) => room.localParticipant.setName(name),
  async gaps() {
    return Object.fromEntries([...ears].map(([sender, ear]) => [sender, ear.gaps]));
  },
  leave: () => room.disconnect(),
};

function faint() {
  const buffer = new AudioBuffer({ length: RATE, sampleRate: RATE });
  buffer.copyToChannel(Float32Array.from({ length: RATE }, () => (Math.random() - 0.5) * 0.001), 0);
  return buffer;
}

const remote = (sid) =>
  [...room.remoteParticipants.values()].map((who) => who.trackPublications.get(sid)).find((track) => track);

socket.onopen = () => waiting.splice(0).forEach((line) => socket.send(line));
socket.onmessage = async ({ data }) => {
  const { id, do: name, ...rest } = JSON.parse(data);
  try {
    tell({ id, result: (await commands[name](rest)) ?? null });
  } catch (error) {
    tell({ id, error: `${error.name}: ${error.message}` });
  }
};
