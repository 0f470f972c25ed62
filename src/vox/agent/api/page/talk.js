// The page: one call at a time, by voice or by typing. See docs/protocols/rtvi.md for the messages.

import { Agents } from "./agents.js";
import { Connection, enterKey, explainRefusal } from "./connection.js";
import { listDevices, MICROPHONE_PROBLEMS } from "./devices.js";
import { Drivers } from "./drivers.js";
import { setSpeaking, showLevel } from "./meters.js";
import { isWorthReconnecting, whyEnded, whyRefused } from "./reasons.js";
import { asJson, asText, fileName } from "./saving.js";
import { foreseenProblem, MicrophoneError, Sound } from "./sound.js";
import { Transcript } from "./transcript.js";
import { isWebRtcWorthTrying, RtcConnection } from "./webrtc.js";

const LOUD = 0.012; // RMS; below it the microphone is silent even in a quiet room
const RECENT_MS = 3000; // the caller's last sound before the server noticed the end of speech
const RECONNECT_AFTER_MS = [500, 1000, 2000, 4000, 8000];

const STATUS = {
  idle: "Ready",
  connecting: "Connecting…",
  listening: "Listening",
  "user-speaking": "Hearing you",
  thinking: "Thinking…",
  "bot-speaking": "Speaking",
  reconnecting: "Reconnecting…",
  lost: "Not connected",
};
const INVITATION = {
  idle: "Press Talk and speak, or type a message.",
  calling: "Go ahead: speak, or type a message.",
};

const byId = (id) => document.getElementById(id);
const page = Object.fromEntries(
  ["talk", "hangup", "mute", "text", "send", "transcript", "status", "mic", "speaker", "latency", "notice", "retry", "pressed", "key"]
    .map((id) => [id, byId(id)]),
);
const transcript = new Transcript(page.transcript, (count) => {
  byId("saving").hidden = !count;
});
const sound = new Sound(
  { spoken: microphoneFrame, played: playbackChanged, level: (level) => showLevel("bot", level) },
  { record: new URLSearchParams(location.search).get("record") === "1" },
);

const agents = new Agents(
  { picker: byId("agent"), picking: byId("agent-choice"), only: byId("agent-name"), chips: byId("suggestions") },
  {
    chosen: agentChosen,
    shown: agentShown,
    asked: say,
    missing: (name) => showNotice(`This server has no agent named “${name}”; you will talk to another one.`),
    refused: () => askForKey("This agent needs an API key. Enter it below."),
  },
);
const drivers = new Drivers({
  drivers: byId("drivers"),
  arrival: byId("arrival"),
  progress: byId("progress"),
  arrivalText: byId("arrival-text"),
});

let state = "idle";
let connection = null;
let route = ""; // "WebRTC" or "WebSocket"
let turns = [];
let turn = null; // the caller's latest turn
let waitingSince = null; // when the caller stopped speaking or sent a text, until the answer is heard
let answerBefore = null; // the one before that answer: where it merely goes on after a cough, nothing was answered
let lastLoudAt = 0;
let noise = LOUD / 3;
let isUserSpeaking = false;
let isMuted = false;
let unsent = []; // what was typed before the agent was ready
let began = new Date();
let attempt = 0; // to connect again, after the connection was lost
let attemptTimer = null;
let latest = { withMicrophone: true }; // what Try again repeats
let fatalError = "";

// --- The call ---

async function start({ withMicrophone }) {
  if (connection || !["idle", "lost"].includes(state)) return;
  showNotice("");
  transcript.clear();
  began = new Date();
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
  connect();
}

/** Over WebRTC where the server and the network have it, else over the WebSocket. */
function connect() {
  transcript.begin();
  if (agents.hasWebRtc && isWebRtcWorthTrying()) {
    showRoute("WebRTC");
    const listener = { message: received, stream: (stream) => sound.playStream(stream), closed, unavailable: connectSocket };
    connection = new RtcConnection(listener, sound.track);
  } else connectSocket();
  showControls();
}

function connectSocket() {
  showRoute("WebSocket");
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
  connection?.useMicrophone(sound.track);
  await showDevices();
  showControls();
}

function hangUp() {
  clearTimeout(attemptTimer);
  if (connection) connection.hangUp();
  else finish("idle");
}

function closed({ wasReady, code, reason }) {
  connection = null;
  if (fatalError) finish("lost", fatalError);
  else if (code === 1000) endAsPlanned(whyEnded(code, reason));
  else if ((wasReady || attempt) && isWorthReconnecting(code)) reconnect(code, reason);
  else if (wasReady) finish("lost", whyEnded(code, reason));
  else refuse(code, reason);
}

function endAsPlanned(reason) {
  finish("idle");
  if (reason) transcript.note(reason);
}

/** The connection was lost: everything stays as it is, and another one is tried a few times. */
function reconnect(code, reason) {
  if (!attempt) {
    transcript.end();
    transcript.note(whyEnded(code, reason).replace(" Please call again.", ""));
    sound.clear();
    isUserSpeaking = false;
    setSpeaking("user", false);
    setSpeaking("bot", false);
  }
  if (attempt === RECONNECT_AFTER_MS.length) {
    finish("lost", "The server cannot be reached. Check your connection and try again.");
    return;
  }
  setState("reconnecting");
  attemptTimer = setTimeout(connect, RECONNECT_AFTER_MS[attempt++]);
}

async function refuse(code, reason) {
  finish("lost", "The call could not be placed.");
  const said = whyRefused(code, reason);
  if (said) {
    showNotice(said, { canRetry: true });
    return;
  }
  const { status, text } = await explainRefusal();
  if (state !== "lost") return;
  if (status === 401) askForKey(text);
  else showNotice(text, { canRetry: true });
}

function finish(next, explanation = "") {
  connection = null;
  fatalError = "";
  attempt = 0;
  unsent = [];
  sound.rest();
  showRoute(route);
  transcript.end();
  setSpeaking("user", false);
  setSpeaking("bot", false);
  setState(next);
  showNotice(explanation, { canRetry: next === "lost" });
  drivers.load();
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
    "server-message": serverMessage,
    metrics: serverMetrics,
    error: serverError,
  }[type];
  handle?.(data);
}

function becomeReady() {
  if (attempt) transcript.note("Connected again. This is a new call: the agent does not know what was said before.");
  attempt = 0;
  showRoute(route);
  setState("listening");
  for (const text of unsent.splice(0)) sendText(text);
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
  awaitAnswer(now - lastLoudAt < RECENT_MS ? lastLoudAt : now);
  if (state === "user-speaking") setState("listening");
}

function userTranscription({ text, final: isFinal }) {
  if (!isFinal) {
    transcript.hear(text);
    return;
  }
  if (!text.trim()) return;
  const { kind } = transcript.heard(text);
  if (kind === "typed" || !turn || turn.latency_s !== null || turn.bot) openTurn(text);
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

/** The agent falls silent; whether it goes on after a cough is told by its sentences. */
function interrupted() {
  sound.clear();
  if (state === "bot-speaking" || state === "thinking") setState(isUserSpeaking ? "user-speaking" : "listening");
}

function serverMessage({ type }) {
  if (type !== "not-understood") return;
  transcript.notUnderstood();
  openTurn("");
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

function awaitAnswer(since) {
  waitingSince = since;
  answerBefore = transcript.latestAnswer;
}

function playbackChanged(kind) {
  setSpeaking("bot", kind === "started");
  if (kind !== "started" || waitingSince === null || transcript.latestAnswer === answerBefore) return;
  const seconds = (performance.now() - waitingSince) / 1000 + sound.outputLatency;
  waitingSince = null;
  if (turn) turn.latency_s = seconds;
  showLatency(seconds);
  transcript.time(seconds);
}

function microphoneFrame(pcm, rate, level) {
  connection?.sendAudio(pcm, rate);
  noise = Math.min(level, noise * 1.005 + 1e-6);
  if (level > Math.max(LOUD, noise * 3)) lastLoudAt = performance.now();
  showLevel("user", isMuted ? 0 : level);
}

// --- What the caller does ---

/** Sends a text, in a call that it begins where there is none. It is shown as sending until the server has it. */
function say(text) {
  if (!connection && ["idle", "lost"].includes(state)) start({ withMicrophone: false });
  transcript.typed(text);
  if (connection?.isReady) sendText(text);
  else unsent.push(text);
}

function sendText(text) {
  connection.send("send-text", { content: text, options: { run_immediately: true, audio_response: true } });
  sound.clear();
  awaitAnswer(performance.now());
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

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = page.text.value.trim();
  page.text.value = "";
  if (text) say(text);
});

byId("keypad").addEventListener("click", ({ target }) => pressKey(target.dataset.key));
byId("keypad").addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey }) => {
  if (/^[0-9*#]$/.test(key) && !ctrlKey && !metaKey && !altKey) pressKey(key);
});

function pressKey(key) {
  if (!key || !connection?.isReady) return;
  connection.send("dtmf", { buttons: [key] });
  page.pressed.value += key;
  transcript.pressed(key);
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

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  enterKey(page.key.value);
  page.key.value = "";
  showNotice("");
  agents.load();
});

byId("save-txt").addEventListener("click", () => save(asText, "txt", "text/plain"));
byId("save-json").addEventListener("click", () => save(asJson, "json", "application/json"));

function save(write, extension, type) {
  const agent = transcript.agent;
  const url = URL.createObjectURL(new Blob([write({ agent, began, entries: transcript.entries })], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName(agent, began, extension);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// --- Which agent ---

/** Another agent is another call. */
function agentChosen() {
  if (state !== "idle") hangUp();
  transcript.clear();
  showNotice("");
  drivers.load();
}

function agentShown({ title, hasLanguageModel }) {
  transcript.agent = title;
  byId("language-model").hidden = hasLanguageModel;
}

function askForKey(text) {
  showNotice(text);
  byId("key-form").hidden = false;
}

// --- What is shown ---

function setState(next) {
  // Who speaks is heard; read aloud, it would be picked up by the microphone.
  const isNews = state === "connecting" || ["idle", "connecting", "reconnecting", "lost"].includes(next);
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
  byId("key-form").hidden = true;
}

/** How the call is carried; it is said once the call stands. */
function showRoute(name) {
  route = name;
  byId("route-fact").hidden = !connection?.isReady;
  byId("route").value = name;
}

function showLatency(seconds) {
  byId("latency-fact").hidden = seconds === undefined;
  page.latency.value = seconds === undefined ? "" : `${seconds.toFixed(2)} s`;
}

async function showDevices() {
  await listDevices(page.mic, page.speaker);
  page.speaker.disabled = !sound.canChooseSpeaker;
  const problem = await foreseenProblem();
  byId("hint").hidden = !problem || sound.hasMicrophone;
  byId("hint").textContent = MICROPHONE_PROBLEMS[problem] ?? "";
}

// --- Start ---

navigator.mediaDevices?.addEventListener?.("devicechange", showDevices);
addEventListener("pagehide", () => connection?.hangUp());
showControls();
showDevices();
agents.load();
drivers.load();

/** For tests: read-only. `heard()` needs ?record=1. */
Object.defineProperty(window, "voxTalk", {
  value: Object.freeze({
    get state() {
      return state;
    },
    get route() {
      return connection?.isReady ? route : "";
    },
    get turns() {
      return turns.map((each) => ({ ...each }));
    },
    get transcript() {
      return transcript.entries.map(({ who, kind, text, spoken, wasInterrupted }) => ({ who, kind, text, spoken, wasInterrupted }));
    },
    heard: () => sound.heard(),
  }),
});
