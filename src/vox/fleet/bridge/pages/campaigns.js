// The campaigns: how far each is, what holds it back, and pause, resume and cancel.

import { get, post } from "./api.js";
import { confirm } from "./dialog.js";
import { bar, el, keyed, setState, setText } from "./dom.js";
import { kindOf, percent, plural, whole, words } from "./words.js";

const ENDED = new Set(["completed", "canceled", "expired"]);
const LIMITS = { rate: "its rate of calls", concurrency: "its limit of calls at once", agents: "a lack of free slots", abandon_budget: "the abandon budget" };
const ACTIONS = {
  start: {
    label: "Start",
    from: ["ready", "scheduled"],
    ask: { text: "The bridge begins to dial within the calling hours.", action: "Start" },
  },
  pause: {
    label: "Pause",
    from: ["running", "scheduled"],
    ask: { text: "Nothing more is dialled. Calls that ring or are answered go on to their end.", action: "Pause" },
  },
  resume: {
    label: "Resume",
    from: ["paused", "pausing"],
    ask: { text: "The bridge goes on dialling within the calling hours.", action: "Resume" },
  },
  cancel: {
    label: "Cancel",
    from: ["draft", "ready", "scheduled", "running", "pausing", "paused"],
    ask: { text: "The campaign ends for good. Calls that ring or are answered go on to their end.", action: "Cancel the campaign", isStop: true },
  },
};

export function campaignsPage(page) {
  const cards = el("div", { class: "cards" });
  const empty = el(
    "p",
    { class: "empty", hidden: true },
    "There are no campaigns. The API makes them, and ",
    el("code", {}, "vox bridge import"),
    " fills them.",
  );
  page.content.append(el("div", { class: "top" }, el("h1", {}, "Campaigns")), cards, empty);
  const known = new Map(); // the last state of campaigns that have ended: it stays

  async function refresh() {
    const { campaigns } = await get("v1/campaigns?limit=50");
    const shown = await Promise.all(
      campaigns.map(async (one) => {
        const before = known.get(one.id);
        if (ENDED.has(one.state) && before?.state === one.state) return before;
        const whole = await get(`v1/campaigns/${encodeURIComponent(one.id)}`);
        known.set(one.id, whole);
        return whole;
      }),
    );
    empty.hidden = shown.length > 0;
    keyed(cards, shown, (one) => one.id, (one) => campaignCard(one, page));
  }

  return { refresh, everyMs: 3000 };
}

function campaignCard({ id }, page) {
  const title = el("h2");
  const state = el("span");
  const hint = el("p", { class: "message", hidden: true });
  const parts = bar("first", "third", "second");
  const done = el("p", { class: "soft number" });
  const facts = new Map(["Bot", "Recipients", "Dialled", "Answered", "In a call", "Left"].map((name) => [name, el("dd")]));
  const outcomes = el("dl", { class: "outcomes" });
  const more = el("details", {}, el("summary", {}, "Outcomes"), outcomes);
  let latest = null;
  const buttons = Object.entries(ACTIONS).map(([name, { label }]) => {
    const button = el("button", { type: "button", class: "quiet" }, label);
    button.append(el("span", { class: "unseen" }));
    button.addEventListener("click", () => act(name, latest, page));
    return [name, button];
  });
  const node = el(
    "section",
    { class: "card", "data-campaign": id },
    el("div", { class: "top" }, title, state, el("p", { class: "buttons" }, ...buttons.map(([, button]) => button))),
    hint,
    el("div", {}, parts.node, done),
    el("dl", { class: "facts" }, ...[...facts].map(([name, value]) => el("div", {}, el("dt", {}, name), value))),
    more,
  );

  function update(one) {
    latest = one;
    const { recipients, outcomes: ended } = one.progress;
    const sum = (counts) => Object.values(counts).reduce((all, each) => all + each, 0);
    const all = sum(recipients);
    const inCall = recipients.in_call ?? 0;
    const left = recipients.pending ?? 0;
    const reached = recipients.reached ?? 0;
    const over = all - left - inCall - reached;
    setText(title, one.name);
    setState(state, kindOf(one.state), words(one.state));
    for (const [name, button] of buttons) {
      button.hidden = !ACTIONS[name].from.includes(one.state);
      setText(button.lastElementChild, ` ${one.name}`);
    }
    const told = hintOf(one);
    hint.hidden = !told;
    setText(hint, told);
    parts.show(reached / all, over / all, inCall / all);
    const { limited_by: limit, allowed } = one.dialling;
    const isHeld = one.state === "running" && limit && !allowed;
    setText(done, `${percent(all - left - inCall, all)} done: ${whole(reached)} reached, ${whole(over)} not${isHeld ? `; held back by ${LIMITS[limit] ?? limit}` : ""}`);
    const numbers = { Recipients: all, Dialled: sum(ended) + one.progress.open_calls, Answered: ended.completed ?? 0, "In a call": inCall, Left: left };
    setText(facts.get("Bot"), one.bot_id);
    for (const [name, number] of Object.entries(numbers)) setText(facts.get(name), whole(number));
    const rows = [
      ...Object.entries(ended).map(([name, number]) => [`calls: ${words(name)}`, number]),
      ...Object.entries(recipients).map(([name, number]) => [`recipients: ${words(name)}`, number]),
    ].sort((a, b) => a[0].localeCompare(b[0]));
    more.hidden = !rows.length;
    keyed(outcomes, rows, ([name]) => name, outcomeRow);
  }
  return { node, update };
}

function outcomeRow([name]) {
  const number = el("dd");
  return { node: el("div", {}, el("dt", {}, name), number), update: ([, value]) => setText(number, whole(value)) };
}

function hintOf(one) {
  if (one.problem && one.state === "draft") return `Cannot be started: ${one.problem}`;
  if (one.state !== "running") return one.state === "pausing" ? "Calls that ring or are answered go on to their end." : "";
  const { suspended } = one.dialling;
  return suspended ? `Nothing is dialled at present: ${suspended.reason}` : "";
}

async function act(name, one, page) {
  const { ask } = ACTIONS[name];
  const open = name === "cancel" && one.progress.open_calls ? ` ${plural(one.progress.open_calls, "call is", "calls are")} open.` : "";
  const verb = { start: "Start", pause: "Pause", resume: "Resume", cancel: "Cancel" }[name];
  if (await confirm({ ...ask, title: `${verb} ${one.name}?`, text: ask.text + open })) {
    await page.act(() => post(`v1/campaigns/${encodeURIComponent(one.id)}/${name}`));
  }
}
