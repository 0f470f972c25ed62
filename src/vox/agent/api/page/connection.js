// One call's WebSocket: RTVI messages and audio in protobuf frames.

import { decode, encodeAudio, encodeMessage } from "./protobuf.js";
import { whyNotTaken } from "./reasons.js";

const RTVI = { label: "rtvi-ai", version: "2.1.0" };
const OPEN_TIMEOUT_MS = 10000;
const MAX_UNSENT_BYTES = 64000; // two seconds of audio; on a slower line newer audio is dropped
const PASSED_ON = ["agent", "api_key", "session", "token"];
const KEY_NAME = "vox-api-key";

/** What the page's own address says, and the API key that was entered on it. */
export function parameters() {
  const given = new URLSearchParams(location.search);
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
  const url = new URL("ws", document.baseURI);
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
    const url = address();
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.send("client-ready", { version: RTVI.version, about: { library: "vox-talk-page" } });
    this.socket.onmessage = ({ data }) => this.receive(data);
    this.socket.onclose = ({ code, reason }) => this.end(code, reason);
    this.timer = setTimeout(() => this.end(1006, "timeout"), OPEN_TIMEOUT_MS);
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
    else if (frame?.message?.label === RTVI.label) {
      if (frame.message.type === "bot-ready") {
        this.isReady = true;
        clearTimeout(this.timer);
      }
      this.listener.message(frame.message.type, frame.message.data ?? {});
    }
  }

  end(code, reason) {
    clearTimeout(this.timer);
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    if (!this.listener) return;
    const { listener } = this;
    this.listener = null;
    listener.closed({ wasReady: this.isReady, code, reason });
  }
}

/** Why the server would not take the call: {status, text}. A refused upgrade tells a page nothing, a plain request does. */
export async function explainRefusal() {
  const status = await statusOf(address());
  const readyStatus = await statusOf(new URL("ready", document.baseURI));
  return { status, text: whyNotTaken(status, readyStatus, parameters().get("agent") ?? "") };
}

async function statusOf(url) {
  try {
    const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(4000) });
    return response.status;
  } catch {
    return 0;
  }
}
