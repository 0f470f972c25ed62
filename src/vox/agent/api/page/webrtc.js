// One call over WebRTC: RTVI messages on a data channel, audio as media. The same interface as `Connection` over /ws.
//
// Where it does not stand within a few seconds, `unavailable()` is called and the page takes the WebSocket: a network that blocks
// UDP says nothing, so time is all there is to go by.

import { base, headers, parameters } from "./connection.js";

const RTVI = { label: "rtvi-ai", version: "2.1.0" };
const STANDS_WITHIN_MS = 5000;
const DISCONNECTED_MS = 3000; // a short loss mends itself
const RETURN_WITHIN_MS = 9000; // the server keeps the call for ten seconds
const PING_EVERY_MS = 1000;
const GATHER_WITHIN_MS = 300;
const FOLLOW_WITHIN_MS = 4000;
const CANDIDATES_EVERY_MS = 100;
const BLOCKED_NAME = "vox-webrtc-blocked";

/** Whether this browser has WebRTC, and it did not fail before in this tab. */
export function isWebRtcWorthTrying() {
  return "RTCPeerConnection" in window && !sessionStorage.getItem(BLOCKED_NAME);
}

export class RtcConnection {
  /** `listener` is that of `Connection`, with stream(media) for the agent's voice, and unavailable(). */
  constructor(listener, track) {
    this.listener = listener;
    this.track = track;
    this.isReady = false;
    this.sent = 0;
    this.timer = setTimeout(() => this.giveUp("timeout"), STANDS_WITHIN_MS);
    this.begin().catch((error) => this.giveUp(error));
  }

  async begin() {
    const agent = parameters().get("agent");
    const request = { transport: "webrtc", enableDefaultIceServers: true, ...(agent ? { agent } : {}) };
    const started = await this.ask("start", "POST", request);
    this.offerPath = `sessions/${started.sessionId}/api/offer`;
    this.iceServers = started.iceConfig?.iceServers ?? [];
    await this.connect(false);
  }

  /** Opens a connection for the call, or another one in place of the one that was lost. */
  async connect(isRestart) {
    const peer = new RTCPeerConnection({ iceServers: this.iceServers });
    const before = this.peer;
    this.peer = peer;
    this.audio = peer.addTransceiver("audio", { direction: "sendrecv" });
    await this.audio.sender.replaceTrack(this.track ?? null);
    this.listen(peer, peer.createDataChannel("chat", { ordered: true }));
    await peer.setLocalDescription();
    const { sdp, type } = peer.localDescription;
    const answer = await this.ask(this.offerPath, "POST", { sdp, type, pc_id: this.id ?? null, restart_pc: isRestart, resumable: true });
    before?.close();
    if (peer !== this.peer) return; // hung up meanwhile
    this.id = answer.pc_id;
    await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    this.sendCandidates();
  }

  listen(peer, channel) {
    this.channel = channel;
    this.candidates = [];
    peer.onicecandidate = ({ candidate }) => {
      if (!candidate) return;
      this.candidates.push(candidate);
      this.flushing ??= setTimeout(() => this.sendCandidates(), CANDIDATES_EVERY_MS);
    };
    peer.ontrack = ({ streams, track }) => this.listener?.stream(streams[0] ?? new MediaStream([track]));
    peer.oniceconnectionstatechange = () => this.watch(peer);
    channel.onmessage = ({ data }) => this.receive(data);
    channel.onopen = () => this.greet(channel);
    channel.onclose = () => peer === this.peer && this.isReady && this.comeBack(peer);
  }

  greet(channel) {
    this.send("client-ready", { version: RTVI.version, about: { library: "vox-talk-page" } });
    clearInterval(this.pinging);
    this.pinging = setInterval(() => channel.readyState === "open" && channel.send(`ping: ${Date.now()}`), PING_EVERY_MS);
  }

  /** Goes over to the server that has the call from now on; until its connection stands, the one before serves. */
  async follow(token) {
    const peer = new RTCPeerConnection({ iceServers: this.iceServers });
    this.following = peer;
    const audio = peer.addTransceiver("audio", { direction: "sendrecv" });
    await audio.sender.replaceTrack(this.track ?? null);
    const channel = peer.createDataChannel("chat", { ordered: true });
    let voice = null;
    peer.ontrack = ({ streams, track }) => (voice = streams[0] ?? new MediaStream([track]));
    channel.onopen = () => {
      if (!this.listener) return peer.close();
      const before = this.peer;
      this.peer = peer;
      this.following = null;
      this.audio = audio;
      audio.sender.replaceTrack(this.track ?? null);
      this.listen(peer, channel);
      if (voice) this.listener.stream(voice);
      this.greet(channel);
      before?.close();
    };
    try {
      await peer.setLocalDescription();
      await gathered(peer);
      const { sdp, type } = peer.localDescription;
      const answer = await this.askUntil(FOLLOW_WITHIN_MS, "api/offer", { sdp, type, resumable: true, resume: token });
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      this.id = answer.pc_id;
      this.offerPath = "api/offer";
    } catch (error) {
      console.warn("the call stays where it is", error);
      this.following = null;
      peer.close();
    }
  }

  /** Asks again for a while: the first answer may still be that of the server that ends. */
  async askUntil(withinMs, path, body) {
    const until = performance.now() + withinMs;
    for (;;) {
      try {
        return await this.ask(path, "POST", body);
      } catch (error) {
        if (performance.now() > until) throw error;
        await new Promise((done) => setTimeout(done, CANDIDATES_EVERY_MS));
      }
    }
  }

  watch(peer) {
    if (peer !== this.peer) return;
    clearTimeout(this.losing);
    if (peer.iceConnectionState === "failed") this.comeBack(peer);
    else if (peer.iceConnectionState === "disconnected") this.losing = setTimeout(() => this.comeBack(peer), DISCONNECTED_MS);
  }

  /** Another connection for the same call, tried until the server has given it up. */
  async comeBack(peer) {
    if (peer !== this.peer || !this.listener || this.following) return;
    if (!this.isReady) return this.giveUp(peer.iceConnectionState);
    this.lostAt ??= performance.now();
    if (performance.now() - this.lostAt > RETURN_WITHIN_MS) return this.end(1006, "");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(1006, ""), RETURN_WITHIN_MS);
    try {
      await this.connect(true);
    } catch {
      setTimeout(() => this.comeBack(this.peer), PING_EVERY_MS);
    }
  }

  async sendCandidates() {
    this.flushing = null;
    if (!this.id || !this.candidates.length) return;
    const candidates = this.candidates.splice(0).map((each) => ({
      candidate: each.candidate,
      sdp_mid: each.sdpMid,
      sdp_mline_index: each.sdpMLineIndex,
    }));
    try {
      await this.ask(this.offerPath, "PATCH", { pc_id: this.id, candidates });
    } catch (error) {
      console.warn("candidates not sent", error);
    }
  }

  async ask(path, method, body) {
    const response = await fetch(new URL(path, base()), {
      method,
      headers: { "Content-Type": "application/json", ...headers() },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(STANDS_WITHIN_MS),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.status === 204 ? {} : response.json();
  }

  /** The microphone was opened, or changed. */
  useMicrophone(track) {
    this.track = track;
    this.audio?.sender.replaceTrack(track ?? null);
  }

  send(type, data = {}) {
    if (this.channel?.readyState !== "open") return;
    this.channel.send(JSON.stringify({ label: RTVI.label, type, id: `m${++this.sent}`, data }));
  }

  /** Nothing: the microphone's track carries it. */
  sendAudio() {}

  hangUp() {
    this.send("disconnect-bot");
    this.end(1000, "");
  }

  receive(data) {
    const message = readMessage(data);
    if (message?.type === "signalling") {
      const { type, code, reason } = message.message ?? {};
      if (type === "peerLeft" && reason !== "handed over") this.end(code ?? 1000, reason ?? "");
    } else if (message?.label === RTVI.label) {
      if (message.type === "server-message" && message.data?.type === "reconnect") return void this.follow(message.data.token);
      const isKnown = message.type === "bot-ready" && this.isReady;
      if (message.type === "bot-ready") this.becomeReady();
      if (isKnown) return; // of another connection: the call goes on
      this.listener?.message(message.type, message.data ?? {});
    }
  }

  becomeReady() {
    this.isReady = true;
    this.lostAt = undefined;
    clearTimeout(this.timer);
  }

  giveUp(reason) {
    if (!this.listener || this.isReady) return;
    console.warn("WebRTC does not work here, so the WebSocket is used", reason);
    sessionStorage.setItem(BLOCKED_NAME, "1");
    const { listener } = this;
    this.close();
    listener.unavailable();
  }

  end(code, reason) {
    if (!this.listener) return;
    const { listener, isReady } = this;
    this.close();
    listener.closed({ wasReady: isReady, code, reason });
  }

  close() {
    this.listener = null;
    clearTimeout(this.timer);
    clearTimeout(this.losing);
    clearInterval(this.pinging);
    const { peer } = this;
    this.peer = null;
    setTimeout(() => peer?.close(), 100); // the last message leaves first
  }
}

/** Waits for the connection's own addresses, at most a moment: what comes later is not needed. */
async function gathered(peer) {
  if (peer.iceGatheringState === "complete") return;
  await new Promise((done) => {
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
    setTimeout(done, GATHER_WITHIN_MS);
  });
}

function readMessage(data) {
  try {
    return JSON.parse(data);
  } catch {
    console.warn("unreadable message");
    return null;
  }
}
