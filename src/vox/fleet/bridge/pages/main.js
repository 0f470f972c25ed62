// Signs in, shows the page that the address names, and keeps it up to date: every few seconds, more slowly while the bridge does not
// answer, and not at all while the page is hidden.

import { Refused, Unreachable, ask, get, post } from "./api.js";
import { callPage } from "./call.js";
import { callsPage } from "./calls.js";
import { campaignsPage } from "./campaigns.js";
import { el, setText, tick } from "./dom.js";
import { fleetPage } from "./fleet.js";

const SIGN_IN = "#sign-in=";
const SLOWEST_MS = 30_000;
const PAGES = {
  fleet: ["Fleet", fleetPage],
  calls: ["Calls", (page, id) => (id ? callPage(page, id, false) : callsPage(page))],
  inbound: ["Calls", (page, id) => callPage(page, id, true)],
  campaigns: ["Campaigns", campaignsPage],
};

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const signOut = document.getElementById("sign-out");
const status = document.getElementById("status");
const notice = document.getElementById("notice");
let current = null;

// One page while it is shown: refreshes itself until it is left.
class Page {
  constructor(make) {
    this.content = el("div");
    this.timer = 0;
    this.failures = 0;
    this.heardAt = 0;
    this.isLeft = false;
    this.running = null;
    const { refresh, everyMs } = make(this);
    this.load = refresh;
    this.everyMs = everyMs;
    main.replaceChildren(this.content);
  }

  // Loads at once, after what is loading already.
  async refresh() {
    clearTimeout(this.timer);
    await this.running;
    if (this.isLeft) return;
    this.running = this.round();
    await this.running;
  }

  async round() {
    let goesOn = true;
    try {
      goesOn = (await this.load()) !== false;
      this.failures = 0;
      this.heardAt = Date.now();
      if (!this.isLeft) answered();
    } catch (error) {
      if (this.isLeft) return;
      if (error instanceof Refused && error.status === 401) return showSignIn("Your session is over.");
      this.failures += 1;
      away(error, this.heardAt);
    }
    if (goesOn && !this.isLeft && !document.hidden) {
      this.timer = setTimeout(() => this.refresh(), Math.min(this.everyMs * 2 ** this.failures, SLOWEST_MS));
    }
  }

  // Does what a button asks for, and shows what became of it.
  async act(work) {
    notice.hidden = true;
    try {
      await work();
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return showSignIn("Your session is over.");
      tell(error.message);
    }
    await this.refresh();
  }

  leave() {
    this.isLeft = true;
    clearTimeout(this.timer);
  }
}

function answered() {
  document.body.classList.remove("away");
  setText(status, "Live");
}

function away(error, heardAt) {
  document.body.classList.add("away");
  const why = error instanceof Unreachable ? "The bridge does not answer" : error.message;
  const since = heardAt ? `; shown is ${new Date(heardAt).toLocaleTimeString()}` : "";
  setText(status, `${why}${since}. Trying again…`);
}

function tell(message) {
  setText(notice.firstElementChild, message);
  notice.hidden = false;
}

function showSignIn(problem = "") {
  current?.leave();
  current = null;
  nav.hidden = signOut.hidden = true;
  document.body.classList.remove("away");
  setText(status, "");
  document.title = "Sign in – Vox bridge";
  const title = el("h1", { tabindex: "-1" }, "Sign in");
  main.replaceChildren(
    el("div", { class: "top" }, title),
    ...(problem ? [el("p", { class: "message" }, problem)] : []),
    el("p", { class: "empty" }, "On the bridge's machine, run ", el("code", {}, "vox bridge login"), " and open the link that it prints. It works once, for ten minutes."),
  );
  title.focus();
}

async function signIn(link) {
  history.replaceState(null, "", location.pathname); // the link is not kept in the history
  try {
    await post("v1/session", { link });
  } catch (error) {
    showSignIn(error.message);
    return;
  }
  location.replace("#fleet");
  await show();
}

async function show() {
  const address = location.hash;
  if (address.startsWith(SIGN_IN)) return signIn(address.slice(SIGN_IN.length));
  if (address === "#main") return main.focus();
  const [name, ...rest] = address.slice(1).split("/");
  const [title, make] = PAGES[name] ?? PAGES.fleet;
  const isFirst = current === null;
  current?.leave();
  notice.hidden = true;
  nav.hidden = signOut.hidden = false;
  for (const link of nav.children) {
    if (link.hash === `#${name === "inbound" ? "calls" : PAGES[name] ? name : "fleet"}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${title} – Vox bridge`;
  const id = decodeURIComponent(rest.join("/"));
  const page = new Page((made) => make(made, id));
  current = page;
  if (!isFirst) main.focus(); // what follows is read from the new page's beginning
  await page.refresh();
}

async function begin() {
  if (location.hash.startsWith(SIGN_IN)) return show();
  try {
    await get("v1/session");
  } catch (error) {
    if (error instanceof Refused) return showSignIn();
  }
  return show();
}

signOut.addEventListener("click", async () => {
  await ask("DELETE", "v1/session").catch(() => {});
  showSignIn("You are signed out.");
});
notice.lastElementChild.addEventListener("click", () => {
  notice.hidden = true;
});
addEventListener("hashchange", () => {
  if (current !== null || location.hash.startsWith(SIGN_IN)) show();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) current?.refresh();
});
setInterval(tick, 1000);
await begin();
