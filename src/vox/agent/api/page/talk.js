// The page: one call at a time, by voice or by typing. See docs/protocols/rtvi.md for the messages.

import { Connection, explainRefusal } from "./connection.js";
import { devices, MicrophoneError, Sound } from "./sound.js";
import { Transcript } from "./transcript.js";

const LOUD = 0.012; // RMS; below it the microphone is silent even in a quiet room
const RECENT_MS = 3000; // the caller's last sound before the server noticed the end of speech

const STATUS = {
  idle: "Ready when you are",
  connecting: "Connecting…",
  listening: "Listening",
  "user-speaking": "Hearing you",
  thinking: "Thinking…",
  "bot-speaking": "Speaking",
  lost: "Not connected",
};
const INVITATION = {
  idle: "Press Talk and speak, or type a message below. What you and the agent say appears here.",
  calling: "Go ahead: speak, or type a message below.",
};
const MICROPHONE_PROBLEMS = {
  denied: "The microphone is blocked. Allow it for this page in your browser to talk; you can type meanwhile.",
  missing: "No microphone was found. Connect one to talk; you can type meanwhile.",
  busy: "The microphone could not be opened; another program may be using it. You can type meanwhile.",
  insecure: "Browsers only allow sound on secure (https) pages. You can type; answers appear as text.",
};

const byId = (id) => document.getElementById(id);
const page = Object.fromEntries(
  ["talk", "hangup", "mute", "text", "send", "transcript", "status", "mic", "speaker", "latency", "notice", "retry", "pressed"]
    .map((id) => [id, byId(id)]),
);
const parameters = new URLSearchParams(location.search);
const transcript = new Transcript(page.transcript);
const sound = new Sound(
  { spoken: microphoneFrame, played: playbackChanged, level: (level) => showLevel("bot", level) },
  { record: parameters.get("record") === "1" },
);

let state = "idle";
let connection = null;
let turns = [];
let turn = null; // the caller's latest turn
let waitingSince = null; // when the caller stopped speaking or sent a text, until the answer is heard
let lastLoudAt = 0;
let noise = LOUD / 3;
let isUserSpeaking = false;
let isMuted = false;
let unsent = []; // what was typed before the agent was ready
let latest = { withMicrophone: true }; // what Try again repeats
let fatalError = "";

// --- The call ---

async function start({ withMicrophone }) {
  if (connection || state === "connecting") return;
  showNotice("");
  transcript.clear();
  turns = [];
  turn = waitingSince = null;
  isUserSpeaking = isMuted = false;
  page.pressed.value = "";
  showLatency();
  latest = { withMicrophone };
  setState("connecting");
  await openSound();
  if (withMicrophone) await openMicrophone();
  if (state !== "connecting") return; // hung up while the browser asked for the microphone
  connection = new Connection({ message: received, audio: (pcm, rate) => sound.play(pcm, rate), closed });
  showControls();
}

async function openSound() {
  try {
    await sound.open();
    if (!sound.isAudible) showNotice(MICROPHONE_PROBLEMS.insecure);
  } catch (error) {
    console.warn("no sound", error);
    showNotice("Sound could not be started. You can type; answers appear as text.");
  }
}

async function openMicrophone(deviceId = page.mic.value) {
  try {
    await sound.openMicrophone(deviceId);
  } catch (error) {
    if (!(error instanceof MicrophoneError)) throw error;
    showNotice(MICROPHONE_PROBLEMS[error.kind]);
  }
  sound.mute(isMuted);
  await listDevices();
  showControls();
}

function hangUp() {
  if (connection) connection.hangUp();
  else finish("idle");
}

function closed({ wasReady, code, reason }) {
  if (fatalError) finish("lost", fatalError);
  else if (code === 1000) finish("idle", reason);
  else if (wasReady) finish("lost", goodbye(code, reason));
  else refuse(code, reason);
}

async function refuse(code, reason) {
  finish("lost", "The call could not be placed.");
  if (code === 1013) showNotice("All lines are busy at the moment. Please try again shortly.", { canRetry: true });
  else if (reason && code !== 1006) showNotice(`The server did not accept the call: ${reason}`, { canRetry: true });
  else {
    const explanation = await explainRefusal();
    if (state === "lost") showNotice(explanation, { canRetry: true });
  }
}

function goodbye(code, reason) {
  if (code === 1001) return "The agent is being restarted. Please call again.";
  if (code === 1013) return "The connection was too slow to keep up. Please call again.";
  return reason && code !== 1006 ? `The call ended: ${reason}` : "The connection was lost.";
}

function finish(next, explanation = "") {
  connection = null;
  fatalError = "";
  unsent = [];
  sound.rest();
  transcript.hear("");
  transcript.interrupt();
  setSpeaking("user", false);
  setSpeaking("bot", false);
  setState(next);
  showNotice(explanation, { canRetry: next === "lost" });
}

// --- What the agent says ---

function received(type, data) {
  const handle = {
    "bot-ready": becomeReady,
    "user-started-speaking": userStarted,
    "user-stopped-speaking": userStopped,
    "user-transcription": userTranscription,
    "bot-llm-started": () => setState("thinking"),
    "bot-llm-stopped": () => state === "thinking" && !transcript.isAwaitingSpeech && setState("listening"),
    "bot-output": botOutput,
    "bot-started-speaking": () => setState("bot-speaking"),
    "bot-stopped-speaking": botStopped,
    "bot-interrupted": interrupted,
    metrics: serverMetrics,
    error: serverError,
  }[type];
  handle?.(data);
}

function becomeReady() {
  setState("listening");
  for (const text of unsent) sendText(text);
  unsent = [];
}

function userStarted() {
  isUserSpeaking = true;
  waitingSince = null;
  setSpeaking("user", true);
  setState("user-speaking");
}

function userStopped() {
  isUserSpeaking = false;
  setSpeaking("user", false);
  const now = performance.now();
  waitingSince = now - lastLoudAt < RECENT_MS ? lastLoudAt : now;
  if (state === "user-speaking") setState("listening");
}

function userTranscription({ text, final: isFinal }) {
  if (!isFinal) {
    transcript.hear(text);
    return;
  }
  if (!text.trim()) return;
  transcript.heard(text);
  if (!turn || turn.latency_s !== null || turn.bot) openTurn(text);
  else turn.user += ` ${text}`;
}

function botOutput(output) {
  const entry = transcript.say(output);
  entry.turn ??= turn;
  if (entry.turn) entry.turn.bot = entry.text;
}

function botStopped() {
  // Servers without bot-interrupted stop like this when the caller cuts in.
  if (isUserSpeaking) sound.clear();
  else sound.finish();
  if (state === "bot-speaking") setState("listening");
}

function interrupted() {
  sound.clear();
  transcript.interrupt();
  if (state === "bot-speaking" || state === "thinking") setState(isUserSpeaking ? "user-speaking" : "listening");
}

function serverMetrics({ processing = [] }) {
  const response = processing.find(({ processor }) => processor === "response");
  if (!response || !turn) return;
  turn.agent_s = response.value;
  if (turn.latency_s === null && !sound.isAudible) showLatency(response.value);
}

function serverError({ error, message, fatal }) {
  const text = `The agent reports a problem: ${error ?? message ?? "unknown"}`;
  if (fatal) fatalError = text;
  showNotice(text);
}

// --- Turns and how long they take ---

function openTurn(text) {
  turn = { user: text, bot: "", latency_s: null, agent_s: null };
  turns.push(turn);
}

function playbackChanged(kind) {
  setSpeaking("bot", kind === "started");
  if (kind !== "started" || waitingSince === null) return;
  const seconds = (performance.now() - waitingSince) / 1000 + sound.outputLatency;
  waitingSince = null;
  if (turn) turn.latency_s = seconds;
  showLatency(seconds);
  transcript.time(`${seconds.toFixed(2)} s`);
}

function microphoneFrame(pcm, rate, level) {
  connection?.sendAudio(pcm, rate);
  noise = Math.min(level, noise * 1.005 + 1e-6);
  if (level > Math.max(LOUD, noise * 3)) lastLoudAt = performance.now();
  showLevel("user", isMuted ? 0 : level);
}

// --- What the caller does ---

function sendText(text) {
  connection.send("send-text", { content: text, options: { run_immediately: true, audio_response: true } });
  sound.clear();
  transcript.interrupt();
  transcript.heard(text);
  openTurn(text);
  waitingSince = performance.now();
}

page.talk.addEventListener("click", () => start({ withMicrophone: true }));
page.hangup.addEventListener("click", hangUp);
page.retry.addEventListener("click", () => start(latest));
page.mute.addEventListener("click", async () => {
  if (!sound.hasMicrophone) {
    showNotice("");
    await openMicrophone();
    return;
  }
  isMuted = !isMuted;
  sound.mute(isMuted);
  showControls();
});

byId("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = page.text.value.trim();
  if (!text) return;
  page.text.value = "";
  if (connection?.isReady) {
    sendText(text);
    return;
  }
  if (!connection && state !== "connecting") await start({ withMicrophone: false });
  if (connection?.isReady) sendText(text);
  else if (state === "connecting") unsent.push(text);
});

byId("keypad").addEventListener("click", ({ target }) => pressKey(target.dataset.key));
byId("keypad").addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey }) => {
  if (/^[0-9*#]$/.test(key) && !ctrlKey && !metaKey && !altKey) pressKey(key);
});

function pressKey(key) {
  if (!key || !connection?.isReady) return;
  connection.send("dtmf", { buttons: [key] });
  page.pressed.value += key;
}

page.mic.addEventListener("change", () => {
  if (connection && sound.hasMicrophone) openMicrophone();
});
page.speaker.addEventListener("change", async () => {
  try {
    await sound.chooseSpeaker(page.speaker.value);
  } catch {
    showNotice("This speaker could not be used.");
    page.speaker.value = "";
  }
});

// --- What is shown ---

function setState(next) {
  // Who speaks is heard; read aloud, it would be picked up by the microphone.
  const isNews = state === "connecting" || ["idle", "connecting", "lost"].includes(next);
  page.status.setAttribute("aria-live", isNews ? "polite" : "off");
  state = next;
  document.body.dataset.state = next;
  page.status.textContent = STATUS[next];
  byId("invitation").textContent = INVITATION[next === "idle" || next === "lost" ? "idle" : "calling"];
  showControls();
}

function showControls() {
  const isCalling = state !== "idle" && state !== "lost";
  const hadFocus = [page.talk, page.hangup, page.retry, page.mute].includes(document.activeElement);
  page.talk.hidden = isCalling;
  page.hangup.hidden = !isCalling;
  page.mute.hidden = !isCalling || !sound.isAudible;
  page.mute.textContent = sound.hasMicrophone ? "Mute" : "Turn on microphone";
  page.mute.setAttribute("aria-pressed", String(isMuted && sound.hasMicrophone));
  for (const key of document.querySelectorAll("[data-key]")) key.disabled = !connection?.isReady;
  // Focus would be lost with the button that has disappeared.
  if (hadFocus && document.activeElement?.offsetParent === null) (isCalling ? page.hangup : page.talk).focus();
}

function showNotice(text, { canRetry = false } = {}) {
  page.notice.hidden = !text;
  byId("notice-text").textContent = text;
  page.retry.hidden = !canRetry;
}

function showLatency(seconds) {
  byId("latency-fact").hidden = seconds === undefined;
  page.latency.value = seconds === undefined ? "" : `${seconds.toFixed(2)} s`;
}

function setSpeaking(who, isSpeaking) {
  byId(`${who}-voice`).classList.toggle("speaking", isSpeaking);
  if (!isSpeaking) byId(`${who}-voice`).style.setProperty("--level", "0");
}

function showLevel(who, level) {
  // The ear is logarithmic: -50 dB is nothing, -10 dB is full.
  const height = Math.max(0, Math.min(1, (20 * Math.log10(level + 1e-6) + 50) / 40));
  byId(`${who}-voice`).style.setProperty("--level", height.toFixed(2));
}

async function listDevices() {
  await Promise.all([fill(page.mic, "audioinput"), fill(page.speaker, "audiooutput")]);
  page.speaker.disabled = !sound.canChooseSpeaker;
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

// --- Start ---

byId("agent-name").textContent = parameters.get("agent") ?? "";
if (parameters.get("agent")) document.title = `Talk to ${parameters.get("agent")}`;
navigator.mediaDevices?.addEventListener?.("devicechange", listDevices);
addEventListener("pagehide", () => connection?.hangUp());
showControls();
listDevices();

/** For tests: read-only. `heard()` needs ?record=1. */
Object.defineProperty(window, "voxTalk", {
  value: Object.freeze({
    get state() {
      return state;
    },
    get turns() {
      return turns.map((each) => ({ ...each }));
    },
    get transcript() {
      return transcript.entries.map(({ who, text, spoken, wasInterrupted }) => ({ who, text, spoken, wasInterrupted }));
    },
    heard: () => sound.heard(),
  }),
});
