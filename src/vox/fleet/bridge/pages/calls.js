// The calls of this moment, and those before.

import { get, here } from "./api.js";
import { cell, count, el, keyed, row, rowHeading, setState, setText, stopCounting, table } from "./dom.js";
import { kindOf, masked, moment, plural, whole, words } from "./words.js";

const ORDER = ["in_progress", "answered", "ringing", "dialing", "uncertain"];
const COUNTED = ["in_progress", "ringing", "dialing", "queued", "scheduled"];
const ENDED = ["completed", "no_answer", "busy", "rejected", "voicemail", "screened", "failed", "canceled", "expired"];
const RECENT_EVERY_MS = 6000;

export function callsPage(page) {
  const numbers = new Map();
  const totals = el("dl", { class: "totals" });
  for (const name of ["inbound", ...COUNTED]) {
    numbers.set(name, el("dd", {}, "–"));
    totals.append(el("div", {}, el("dt", {}, name === "inbound" ? "inbound" : words(name)), numbers.get(name)));
  }
  const live = table("Calls that are live", ["Number", "State", "Time", "Bot", "Worker"]);
  const noneLive = el("p", { class: "empty" }, "No call is live.");
  const more = el("p", { class: "soft", hidden: true });
  const filter = el("select", { id: "filter" }, el("option", { value: "" }, "all"), ...[...COUNTED, ...ENDED].map((name) => el("option", { value: name }, words(name))));
  const recent = table("Outbound calls, the newest first", ["Number", "State", "Placed", "Bot", "Reason"]);
  const noneRecent = el("p", { class: "empty" }, "There are no such calls.");
  page.content.append(
    el("div", { class: "top" }, el("h1", {}, "Calls")),
    totals,
    el("h2", {}, "Live"),
    live.node,
    noneLive,
    more,
    el("h2", {}, "Outbound calls"),
    el("p", { class: "top" }, el("label", { for: "filter" }, "State"), filter),
    recent.node,
    noneRecent,
  );
  live.node.hidden = recent.node.hidden = true;
  let recentAt = -Infinity;
  filter.addEventListener("change", () => {
    recentAt = -Infinity;
    page.refresh();
  });

  async function refresh() {
    const found = await get("v1/calls/live");
    const outbound = [...found.calls].sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || b.created_at_ms - a.created_at_ms);
    const all = [...outbound, ...found.inbound.map((one) => ({ ...one, status: "in_progress", isInbound: true }))];
    keyed(live.body, all, (one) => one.id, liveRow);
    live.node.hidden = !all.length;
    noneLive.hidden = all.length > 0;
    for (const name of COUNTED) setText(numbers.get(name), whole(found.counts[name]));
    setText(numbers.get("inbound"), whole(found.inbound_total));
    const total = found.inbound_total + ORDER.reduce((sum, name) => sum + (found.counts[name] ?? 0), 0);
    more.hidden = total <= all.length;
    setText(more, `${plural(total - all.length, "live call more is", "live calls more are")} not listed.`);
    if (performance.now() - recentAt >= RECENT_EVERY_MS) {
      recentAt = performance.now();
      await refreshRecent();
    }
  }

  async function refreshRecent() {
    const status = filter.value;
    const { calls } = await get(`v1/calls?limit=50${status ? `&status=${status}` : ""}`);
    keyed(recent.body, calls, (one) => one.id, recentRow);
    recent.node.hidden = !calls.length;
    noneRecent.hidden = calls.length > 0;
  }

  return { refresh, everyMs: 2000 };
}

function numberLink(one) {
  const text = one.isInbound ? "Inbound call" : masked(one.to);
  return rowHeading(el("a", { href: `#${one.isInbound ? "inbound" : "calls"}/${encodeURIComponent(one.id)}` }, text), el("span", { class: "soft" }, one.class === "campaign" ? "campaign" : ""));
}

function liveRow(first) {
  const state = el("span");
  const time = el("span", { class: "number" });
  const bot = cell("Bot");
  const worker = cell("Worker");
  const node = row(numberLink(first), cell("State", state), cell("Time", time), bot, worker);
  return {
    node,
    update(one) {
      setState(state, kindOf(one.status), words(one.status));
      const since = one.isInbound ? one.since_ms : (one.answered_at_ms ?? one.dialed_at_ms);
      if (since) count(time, "since", here(since));
      else stopCounting(time, "");
      setText(bot, one.bot_id ?? "");
      setText(worker, one.worker_id ?? "");
    },
  };
}

function recentRow(first) {
  const state = el("span");
  const reason = cell("Reason");
  const bot = cell("Bot", first.bot_id);
  const node = row(numberLink(first), cell("State", state), cell("Placed", moment(first.created_at_ms)), bot, reason);
  return {
    node,
    update(one) {
      setState(state, kindOf(one.status), words(one.status));
      setText(reason, one.reason ? words(one.reason) : "");
    },
  };
}
