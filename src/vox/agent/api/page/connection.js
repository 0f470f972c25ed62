// One call's WebSocket: RTVI messages and audio in protobuf frames.

import { decode, encodeAudio, encodeMessage } from "./protobuf.js";

const RTVI = { label: "rtvi-ai", version: "2.1.0" };
const OPEN_TIMEOUT_MS = 10000;
const MAX_UNSENT_BYTES = 64000; // two seconds of audio; on a slower line newer audio is dropped
const PASSED_ON = ["agent", "api_key", "token"];

/** The address of `/ws` next to this page, with what the page's own address passes on. */
export function address() {
  const url = new URL("ws", document.baseURI);
  const given = new URLSearchParams(location.search);
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

/** Why the server would not take the call, as a sentence. A refused upgrade tells a page nothing, a plain request does. */
export async function explainRefusal() {
  const status = await statusOf(address());
  if (status === 401) return "This agent needs an API key. Open this page with ?api_key=… in its address.";
  if (status === 403) return "This agent does not accept calls from this page's address.";
  if (status === 503 || status === 429) return "All lines are busy at the moment. Please try again shortly.";
  const ready = await statusOf(new URL("ready", document.baseURI));
  if (ready === 503) return "The agent is not taking calls at the moment. Please try again shortly.";
  if (ready === 0) return "The server cannot be reached. Check your connection and try again.";
  return "The server did not accept the call. Please try again.";
}

async function statusOf(url) {
  try {
    const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(4000) });
    return response.status;
  } catch {
    return 0;
  }
}
