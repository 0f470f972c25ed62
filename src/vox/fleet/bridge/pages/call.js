// One call: where it is, what is said in it as it comes, and what has happened.

import { get, here, post } from "./api.js";
import { confirm } from "./dialog.js";
import { count, el, keyed, setState, setText, stopCounting } from "./dom.js";
import { kindOf, masked, moment, words } from "./words.js";

const ENDED = new Set(["completed", "no_answer", "busy", "rejected", "voicemail", "screened", "failed", "canceled", "expired"]);
const TALKING = new Set(["answered", "in_progress"]);
const FACTS = ["Bot", "Worker", "Carrier", "Attempt", "Time", "Answered by", "Reason"];
const NOTES = {
  unreachable: "The worker of this call is asked by address only, or is away at the moment; its words are here when the call is over.",
  waiting: "Nothing has been said yet.",
  none: "No words of this call are kept at the bridge.",
};

export function callPage(page, id, isInbound) {
  const path = `v1/calls/${encodeURIComponent(id)}`;
  const title = el("h1", {}, "Call");
  const state = el("span");
  const show = el("button", { type: "button", class: "quiet", hidden: true }, "Show the number");
  const hangUp = el("button", { type: "button", class: "stop", hidden: true }, "Hang up");
  const facts = new Map(FACTS.map((name) => [name, el("dd")]));
  const list = el("dl", { class: "facts call-facts" }, ...FACTS.map((name) => el("div", {}, el("dt", {}, name), facts.get(name))));
  const transcript = el("div", { class: "transcript", role: "log", "aria-labelledby": "transcript-title", tabindex: "0" });
  const note = el("p", { class: "soft" }, NOTES.waiting);
  const events = el("ol", { class: "events" });
  page.content.append(
    el("p", {}, el("a", { href: "#calls" }, "All calls")),
    el("div", { class: "top" }, title, state, el("p", { class: "buttons" }, show, hangUp)),
    list,
    el(
      "div",
      { class: "columns" },
      el("section", {}, el("h2", { id: "transcript-title" }, "Transcript"), transcript, note),
      el("section", {}, el("h2", {}, "What happened"), events),
    ),
  );
  const lines = new Map();
  let number = "";
  let isNumberShown = false;
  let isOver = false;

  show.addEventListener("click", () => {
    isNumberShown = !isNumberShown;
    setText(show, isNumberShown ? "Hide the number" : "Show the number");
    setText(title, isNumberShown ? number : masked(number));
  });
  hangUp.addEventListener("click", async () => {
    const sure = await confirm({ title: "Hang up?", text: "The call ends at once for both sides.", action: "Hang up", isStop: true });
    if (sure) await page.act(() => post(isInbound ? `v1/fleet/calls/${encodeURIComponent(id)}/hang_up` : `${path}/hang_up`));
  });

  async function refresh() {
    const call = await found();
    if (call) showCall(call);
    await showWords(call);
    return isOver ? false : undefined;
  }

  // The bridge's row of the call; of an inbound one there is none, only what its worker tells.
  async function found() {
    if (!isInbound) return get(path);
    const live = await get("v1/calls/live");
    const one = live.inbound.find((each) => each.id === id);
    setText(title, "Inbound call");
    isOver = !one;
    setState(state, one ? "good" : "quiet", one ? words("in_progress") : "over");
    hangUp.hidden = !one;
    setText(facts.get("Worker"), one?.worker_id ?? facts.get("Worker").textContent);
    if (one) count(facts.get("Time"), "since", here(one.since_ms));
    else stopCounting(facts.get("Time"), facts.get("Time").textContent);
    hideEmpty();
    return null;
  }

  function showCall(call) {
    number = call.to;
    show.hidden = false;
    setText(title, isNumberShown ? number : masked(number));
    setState(state, kindOf(call.status), words(call.status));
    isOver = ENDED.has(call.status) && (call.results.length > 0 || Date.now() - here(call.ended_at_ms) > 60_000);
    hangUp.hidden = ENDED.has(call.status);
    setText(hangUp, TALKING.has(call.status) || call.status === "ringing" ? "Hang up" : "Cancel the call");
    const told = {
      Bot: call.bot_id,
      Worker: call.worker_id,
      Carrier: call.provider,
      Attempt: `${call.attempt} of ${call.max_attempts}`,
      "Answered by": words(call.answered_by ?? ""),
      Reason: words(call.reason ?? ""),
    };
    for (const [name, text] of Object.entries(told)) setText(facts.get(name), text);
    const began = call.answered_at_ms ?? call.dialed_at_ms;
    if (began && call.ended_at_ms) stopCounting(facts.get("Time"), spent(began, call.ended_at_ms));
    else if (began) count(facts.get("Time"), "since", here(began));
    hideEmpty();
    keyed(events, call.events.map((event, at) => ({ ...event, at })), (event) => event.at, eventLine);
  }

  function hideEmpty() {
    for (const node of facts.values()) node.parentElement.hidden = !node.textContent;
  }

  async function showWords(call) {
    const result = call?.results.find((one) => one.transcript?.length);
    let source = "not_running";
    if (result) {
      const kept = result.transcript.map((line, at) => ({ at_ms: at, role: line.role === "bot" ? "assistant" : "user", text: line.content }));
      if (!lines.size) for (const line of kept) lines.set(line.at_ms, line); // else the words stand as they were read
    } else if (!ENDED.has(call?.status)) {
      const answer = await get(`${path}/transcript?after_ms=${Math.max(0, ...lines.keys())}`);
      source = answer.source;
      for (const line of answer.lines) lines.set(line.at_ms, line);
    }
    const isAtEnd = transcript.scrollHeight - transcript.scrollTop - transcript.clientHeight < 40;
    keyed(transcript, [...lines.values()].sort((a, b) => a.at_ms - b.at_ms), (line) => line.at_ms, (line) => lineRow(line, isInbound));
    if (isAtEnd) transcript.scrollTop = transcript.scrollHeight;
    const said = source === "unreachable" ? NOTES.unreachable : lines.size ? "" : isOver ? NOTES.none : NOTES.waiting;
    setText(note, said);
    transcript.hidden = !lines.size;
  }

  return { refresh, everyMs: 1000 };
}

function spent(from, to) {
  const seconds = Math.round((to - from) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function lineRow(line, isInbound) {
  const node = el(
    "div",
    { class: `said ${line.role}` },
    el("p", { class: "who" }, line.role === "assistant" ? "Bot" : isInbound ? "Caller" : "Called person"),
    el("p", { class: "words" }, line.text),
  );
  return { node, update() {} };
}

function eventLine(event) {
  const details = Object.entries(event.data)
    .filter(([, value]) => value !== "" && value !== null && typeof value !== "object")
    .map(([name, value]) => `${words(name)}: ${value}`)
    .join(", ");
  const node = el(
    "li",
    {},
    el("span", { class: "soft number" }, moment(event.at_ms)),
    el("div", {}, event.kind === "progressed" ? "" : `${words(event.kind)} → `, words(event.status), el("p", { class: "soft" }, details)),
  );
  return { node, update() {} };
}
