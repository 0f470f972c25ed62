// One call's WebSocket: RTVI messages and audio in protobuf frames.

import { decode, encodeAudio, encodeMessage } from "./protobuf.js";
import { whyNotTaken } from "./reasons.js";

const RTVI = { label: "rtvi-ai", version: "2.1.0" };
const OPEN_TIMEOUT_MS = 10000;
const MAX_UNSENT_BYTES = 64000; // two seconds of audio; on a slower line newer audio is dropped
const RETURN_WITHIN_MS = 5000; // a call that lost its connection is gone on with for so long
const RETURN_EVERY_MS = 300;
const PASSED_ON = ["agent", "api_key", "session", "token"];
const KEY_NAME = "vox-api-key";

let host = null; // {base, agent} where another page than the agent server's own shows the calls

/**
 * Says where the agent server is and which agent is called, for pages that are not its own.
 * @param {string} base - the server's address, with a slash at its end
 * @param {string} agent - the agent's name; empty for the server's first
 */
export function callFrom(base, agent) {
  host = { base, agent };
}

/** What the addresses of the agent server's routes stand below. */
export function base() {
  return host?.base ?? document.baseURI;
}

/** What the page's own address says, and the API key that was entered on it. */
export function parameters() {
  const given = new URLSearchParams(host ? (host.agent ? { agent: host.agent } : {}) : location.search);
  const entered = sessionStorage.getItem(KEY_NAME);
  if (entered) given.set("api_key", entered);
  return given;
}

/** Keeps an API key until the tab is closed; never in the page's address, which is shared and logged. */
export function enterKey(key) {
  sessionStorage.setItem(KEY_NAME, key);
}

/** The headers of requests that need the API key. */
export function headers() {
  const key = parameters().get("api_key") || parameters().get("token");
  return key ? { "X-API-Key": key } : {};
}

/** The address of `/ws` next to this page, with what the page passes on. */
export function address() {
  const url = new URL("ws", base());
  const given = parameters();
  url.search = "";
  url.searchParams.set("format", "protobuf");
  for (const name of PASSED_ON) if (given.get(name)) url.searchParams.set(name, given.get(name));
  return url;
}

export class Connection {
  /** `listener` has message(type, data), audio(pcm, rate) and closed({wasReady, code, reason}), called once. */
  constructor(listener) {
    this.listener = listener;
    this.isReady = false;
    this.sent = 0;
    this.socket = this.open();
    this.timer = setTimeout(() => this.end(1006, "timeout"), OPEN_TIMEOUT_MS);
  }

  /** A socket for a new call, or with a token for the call that goes on. */
  open(token) {
    const url = address();
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("resumable", "1");
    if (token) url.searchParams.set("resume", token);
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.opened(socket);
    socket.onmessage = ({ data }) => socket === this.socket && this.receive(data);
    socket.onclose = ({ code, reason }) => this.gone(socket, code, reason);
    return socket;
  }

  opened(socket) {
    if (socket === this.next) {
      const before = this.socket;
      this.socket = socket;
      this.next = this.lostAt = this.token = null;
      before.onmessage = before.onclose = null;
      before.close(1000);
    }
    this.send("client-ready", { version: RTVI.version, about: { library: "vox-talk-page" } });
  }

  /** Goes over to the server that has the call from now on; until it answers, the one before serves. */
  follow(token) {
    if (this.next) this.next.onclose = null;
    this.next?.close();
    this.next = this.open(token);
  }

  gone(socket, code, reason) {
    if (socket === this.next) this.next = null;
    else if (this.next) return; // it is on its way to the other server
    else if (code === 1000 || code === 1001 || !this.token) return this.end(code, reason);
    if (this.socket.readyState !== WebSocket.CLOSED) return;
    this.lostAt ??= performance.now();
    if (performance.now() - this.lostAt > RETURN_WITHIN_MS) return this.end(1006, "");
    if (!this.next) setTimeout(() => this.listener && !this.next && this.lostAt && this.follow(this.token), RETURN_EVERY_MS);
  }

  send(type, data = {}) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(encodeMessage({ label: RTVI.label, type, id: `m${++this.sent}`, data }));
  }

  sendAudio(pcm, rate) {
    if (!this.isReady || this.socket.readyState !== WebSocket.OPEN || this.socket.bufferedAmount > MAX_UNSENT_BYTES) return;
    this.socket.send(encodeAudio(pcm, rate));
  }

  /** Nothing: frames of the microphone are sent as they come. */
  useMicrophone() {}

  hangUp() {
    this.send("disconnect-bot");
    this.end(1000, "");
  }

  receive(data) {
    if (!(data instanceof ArrayBuffer)) return;
    let frame;
    try {
      frame = decode(data);
    } catch (error) {
      console.warn("unreadable message", error);
      return;
    }
    if (frame?.audio) this.listener.audio(frame.audio, frame.rate);
    else if (frame?.message?.label === RTVI.label) this.told(frame.message.type, frame.message.data ?? {});
  }

  told(type, data) {
    if (type === "server-message" && data.type === "resumable") this.token = data.token;
    else if (type === "server-message" && data.type === "reconnect") this.follow(data.token);
    else if (type === "bot-ready" && this.isReady) return; // of another server: the call goes on
    else {
      if (type === "bot-ready") {
        this.isReady = true;
        clearTimeout(this.timer);
      }
      this.listener.message(type, data);
    }
  }

  end(code, reason) {
    clearTimeout(this.timer);
    for (const socket of [this.socket, this.next]) {
      if (!socket) continue;
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    if (!this.listener) return;
    const { listener } = this;
    this.listener = null;
    listener.closed({ wasReady: this.isReady, code, reason });
  }
}

/** Why the server would not take the call: {status, text, retryAfterS}, 0 where it does not say when to try again. A refused upgrade tells a page nothing, a plain request does. */
export async function explainRefusal() {
  const { status, retryAfterS } = await ask(address());
  const isTold = status && status !== 426; // 426: it takes calls, as far as it says here
  const readyStatus = isTold ? status : (await ask(new URL("ready", base()))).status || status;
  return { status, retryAfterS, text: whyNotTaken(status, readyStatus, parameters().get("agent") ?? "") };
}

async function ask(url) {
  try {
    const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(4000) });
    return { status: response.status, retryAfterS: Number(response.headers.get("retry-after")) || 0 };
  } catch {
    return { status: 0, retryAfterS: 0 };
  }
}
