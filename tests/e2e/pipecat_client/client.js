// Pipecat's client on a page: keeps every event in order, and speaks recordings into its microphone when told to.

import { PipecatClient } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport } from "@pipecat-ai/small-webrtc-transport";
import { WavMediaManager, WebSocketTransport } from "@pipecat-ai/websocket-transport";

const CALLBACKS = [
  "onConnected", "onDisconnected", "onTransportStateChanged", "onBotReady", "onError",
  "onUserStartedSpeaking", "onUserStoppedSpeaking", "onUserTranscript",
  "onBotStartedSpeaking", "onBotStoppedSpeaking", "onBotTranscript", "onBotOutput",
  "onBotLlmStarted", "onBotLlmStopped", "onBotLlmText", "onBotTtsStarted", "onBotTtsStopped", "onBotTtsText",
  "onLLMFunctionCallStarted", "onLLMFunctionCallInProgress", "onLLMFunctionCallStopped",
];

const audio = new AudioContext();
const microphone = audio.createMediaStreamDestination();
navigator.mediaDevices.getUserMedia = async () => microphone.stream;

const plain = value => {
  try {
    return JSON.parse(JSON.stringify(value ?? null));
  } catch {
    return String(value);
  }
};

const events = [];
const waiting = [];
const note = (name, data) => {
  events.push([name, plain(data)]);
  waiting.splice(0).forEach(look => look());
};

const consoleErrors = [];
const original = console.error;
console.error = (...what) => {
  consoleErrors.push(what.map(String).join(" "));
  original(...what);
};

// What the bot's track sounds like: its loudest moment since the last look.
const ears = audio.createAnalyser();
let loudest = 0;
const listen = track => {
  const player = new Audio(); // Chromium decodes a remote track only while an element plays it
  player.srcObject = new MediaStream([track]);
  player.muted = true;
  player.play();
  audio.createMediaStreamSource(player.srcObject).connect(ears);
  const samples = new Float32Array(ears.fftSize);
  setInterval(() => {
    ears.getFloatTimeDomainData(samples);
    loudest = Math.max(loudest, ...samples.map(Math.abs));
  }, 20);
};

// The transport's default takes its devices from a script of Daily's that is loaded from the internet; this is its documented
// replacement, with the microphone of this page.
class PageMedia {
  constructor() {
    this.supportsScreenShare = true;
    this.isMicEnabled = true;
    this.isCamEnabled = this.isSharingScreen = false;
    this.selectedMic = this.selectedCam = this.selectedSpeaker = {};
  }
  setClientOptions() {}
  async initialize() {}
  async connect() {}
  async disconnect() {}
  tracks() {
    // The transport stops its tracks when it closes a connection, so each connection has one of its own.
    return { local: { audio: this.isMicEnabled ? microphone.stream.getAudioTracks()[0].clone() : undefined } };
  }
  enableMic(enable) {
    this.isMicEnabled = enable;
  }
}

let client;
let session;

window.pipecat = {
  events,
  loudest() {
    const found = loudest;
    loudest = 0;
    return found;
  },
  consoleErrors,

  create(kind = "websocket") {
    const callbacks = Object.fromEntries(CALLBACKS.map(name => [name, data => note(name, data)]));
    callbacks.onTrackStarted = (track, participant) => {
      if (!participant?.local && track.kind === "audio") listen(track);
    };
    const transport = kind === "webrtc"
      ? new SmallWebRTCTransport({ iceServers: [], mediaManager: new PageMedia() })
      : new WebSocketTransport({ mediaManager: new WavMediaManager(), playerSampleRate: 24000 });
    client = new PipecatClient({ transport, enableMic: true, enableCam: false, callbacks });
    client.registerFunctionCallHandler("get_weather", async call => {
      note("handler", { name: call.functionName, arguments: call.arguments });
      return { sky: "sunny" };
    });
  },

  connect: async parameters => plain((await client.connect(parameters)) ?? null),
  start: async (endpoint, requestData) => plain(await client.startBotAndConnect({ endpoint, requestData })),
  startBot: async (endpoint, requestData) => {
    session = await client.startBot({ endpoint, requestData });
  },
  connectToBot: async () => plain(await client.connect(session)),
  sendText: (text, options) => client.sendText(text, options),
  disconnect: () => client.disconnect(),

  async speak(url) {
    const recording = await audio.decodeAudioData(await (await fetch(url)).arrayBuffer());
    const source = audio.createBufferSource();
    source.buffer = recording;
    source.connect(microphone);
    source.start();
    await audio.resume();
  },

  // Waits for an event behind position `from`; gives the position behind it.
  until: (from, name, count = 1) => new Promise(found => {
    const look = () => {
      let left = count;
      for (let at = from; at < events.length; at++) {
        if (events[at][0] === name && --left === 0) return found(at + 1);
      }
      waiting.push(look);
    };
    look();
  }),
};
