// Why a call ended or did not begin, as sentences. No browser is needed here.

const BUSY = "All lines are busy at the moment. Please try again shortly.";

/** The reasons that the server gives when it closes a call. */
const REASONS = {
  agent_ended: "The agent ended the call.",
  client_left: "",
  failed: "The call ended because something failed on the server. Please call again.",
  "handed over": "The call went on at another server, which this page did not reach.",
  hung_up: "",
  idle: "The agent ended the call because nothing was said for a while.",
  silent_peer: "The call ended because the server received nothing from this page for a while.",
  stopped: "The agent was stopped.",
  transferred: "The call was put through to another number.",
  too_long: "The call ended because it reached its longest duration.",
  "internal error": "The call ended because something failed on the server. Please call again.",
  "message too big": "The call ended because this page sent more than the server accepts.",
  "more was sent than a call needs": "The call ended because this page sent more than the server accepts.",
  "busy, and nothing was said": "The call ended to make room for others, because this page had sent nothing.",
  "peer reads too slowly": "The connection was too slow to keep up. Please call again.",
  "server is closing": "The agent is being restarted. Please call again.",
  "too many malformed messages": "The call ended because the server could not read what this page sent.",
};

const CODES = {
  1001: "The agent is being restarted. Please call again.",
  1006: "The connection was lost.",
  1011: "The call ended because something failed on the server. Please call again.",
  1012: "The agent is being restarted. Please call again.",
  1013: "The connection was too slow to keep up. Please call again.",
};

/** Why a call that had begun is over; empty where the caller ended it. */
export function whyEnded(code, reason) {
  if (Object.hasOwn(REASONS, reason)) return REASONS[reason];
  if (code in CODES) return CODES[code];
  if (reason) return `The call ended: ${sentence(reason)}`;
  return code === 1000 ? "" : "The connection was lost.";
}

/** Whether a call that broke off like this is worth another connection. */
export function isWorthReconnecting(code) {
  return code === 1001 || code === 1006 || code === 1012;
}

/** Why a call did not begin, from the close code and reason; empty where they do not say. */
export function whyRefused(code, reason) {
  if (code === 1013) return BUSY;
  return reason && code !== 1006 ? `The server did not accept the call: ${sentence(reason)}` : "";
}

/** Why a call did not begin, from the statuses that plain requests to `/ws` and `/ready` get; 0: no answer. */
export function whyNotTaken(status, readyStatus, agent) {
  if (status === 401) return "This agent needs an API key. Enter it below.";
  if (status === 403) return "This agent does not accept calls from this page's address.";
  if (status === 404) return `This server has no agent named “${agent}”. Choose another one.`;
  if (status === 503 || status === 429) return BUSY;
  if (readyStatus === 503) return "The agent is not taking calls at the moment. Please try again shortly.";
  if (readyStatus === 0) return "The server cannot be reached. Check your connection and try again.";
  return "The server did not accept the call. Please try again.";
}

function sentence(words) {
  const plain = words.replaceAll("_", " ").trim();
  return /[.!?]$/.test(plain) ? plain : `${plain}.`;
}
