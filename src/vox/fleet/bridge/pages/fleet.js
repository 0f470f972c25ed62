// The workers: what each holds, and the drain of one.

import { get, post } from "./api.js";
import { confirm } from "./dialog.js";
import { bar, cell, count, el, keyed, row, rowHeading, setState, setText, stopCounting, table } from "./dom.js";
import { kindOf, moment, plural, whole, words } from "./words.js";

const TOTALS = ["In calls", "Reserved", "Free", "Slots", "Workers"];
const MOST_MINUTES = 7 * 24 * 60;

export function fleetPage(page) {
  const numbers = TOTALS.map(() => el("dd", {}, "–"));
  const totals = el("dl", { class: "totals" }, ...TOTALS.map((name, at) => el("div", {}, el("dt", {}, name), numbers[at])));
  const unknown = el("p", { class: "message", hidden: true }, "The bridge has just started, or hears no worker at the moment; the totals are not known yet.");
  const { node, body } = table("Workers", ["Worker", "State", "Capacity", "Region", "Running since", "(Actions)"]);
  const empty = el(
    "p",
    { class: "empty", hidden: true },
    "No worker is connected. Start one with VOXBRIDGE_URL and VOX_WORKER_TOKEN set: ",
    el("code", {}, "vox worker"),
    ".",
  );
  page.content.append(el("div", { class: "top" }, el("h1", {}, "Fleet")), totals, unknown, node, empty);
  node.hidden = true;

  async function refresh() {
    const fleet = await get("v1/fleet");
    const shown = [fleet.active, fleet.reserved, fleet.available, fleet.max_calls].map((each) => (fleet.is_known ? whole(each) : "?"));
    [...shown, whole(fleet.workers.length)].forEach((each, at) => setText(numbers[at], each));
    unknown.hidden = fleet.is_known;
    node.hidden = !fleet.workers.length;
    empty.hidden = fleet.workers.length > 0;
    keyed(body, fleet.workers, (worker) => `${worker.worker_id} ${worker.generation}`, (worker) => workerRow(worker, page));
  }

  return { refresh, everyMs: 2000 };
}

function workerRow({ worker_id: id }, page) {
  const where = el("span", { class: "soft" });
  const state = el("span");
  const left = el("span", { class: "number" });
  const drain = el("span", { class: "soft" });
  const drainText = document.createTextNode("");
  const slots = bar("first", "second");
  const capacity = el("span", { class: "soft number" });
  const region = cell("Region");
  const since = cell("Running since");
  const version = el("span", { class: "soft" });
  const sinceText = el("span");
  const button = el("button", { type: "button", class: "quiet" }, "Drain", el("span", { class: "unseen" }, ` ${id}`));
  let latest = null;
  button.addEventListener("click", () => askToDrain(latest, page));
  drain.append(drainText, left);
  since.append(el("div", {}, sinceText, version));
  const node = row(
    rowHeading(id, where),
    cell("State", el("div", {}, state, drain)),
    cell("Capacity", el("div", { class: "capacity" }, slots.node, capacity)),
    region,
    since,
    el("td", { role: "cell", class: "end" }, button),
  );
  function update(worker) {
    latest = worker;
    setText(where, worker.url);
    setState(state, worker.is_stale ? "bad" : kindOf(worker.state), worker.is_stale ? "silent" : words(worker.state));
    showDrain(worker);
    const limit = worker.max_calls || 1;
    slots.show(worker.active / limit, worker.reserved / limit);
    const lowered = worker.limit < worker.max_calls && worker.state !== "draining" ? `, takes ${whole(worker.limit)} now` : "";
    const reserved = worker.reserved ? `, ${whole(worker.reserved)} reserved` : "";
    setText(capacity, `${whole(worker.active)} of ${whole(worker.max_calls)} in calls${reserved}${lowered}`);
    setText(region, worker.region);
    setText(sinceText, worker.is_static || !worker.generation ? "" : moment(worker.generation));
    setText(version, worker.version);
    button.hidden = worker.is_static || worker.is_stale;
    button.disabled = worker.state === "draining";
  }
  function showDrain(worker) {
    if (worker.is_stale) {
      drainText.data = "not heard for ";
      count(left, "since", Date.now() - worker.age_s * 1000);
    } else if (worker.state === "draining" && worker.drain_left_s !== null) {
      drainText.data = worker.active ? "calls have " : "ends within ";
      count(left, "until", Date.now() + worker.drain_left_s * 1000);
    } else {
      drainText.data = worker.is_static ? "polled, cannot be drained here" : "";
      stopCounting(left);
    }
  }
  return { node, update };
}

async function askToDrain(worker, page) {
  const calls = worker.active ? `${plural(worker.active, "call goes", "calls go")} on until they end, or until the deadline.` : "It has no calls.";
  const minutes = await confirm({
    title: `Drain ${worker.worker_id}?`,
    text: `The worker takes no further calls and stops. ${calls} A drain cannot be taken back.`,
    action: "Drain",
    isStop: true,
    number: { label: "Deadline in minutes", value: 60, most: MOST_MINUTES },
  });
  if (minutes === false) return;
  await page.act(() => post(`v1/fleet/${encodeURIComponent(worker.worker_id)}/drain`, { deadline_s: minutes * 60 }));
}
