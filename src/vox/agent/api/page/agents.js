// Which agents there are, and what the chosen one can be asked. The choice stands in the page's address, so that it can be shared.

import { base, headers, parameters } from "./connection.js";

export class Agents {
  /** `page` has picker, picking, only and chips; `listener` has chosen(), shown(agent), asked(text), missing(name) and refused(). */
  constructor(page, listener) {
    this.page = page;
    this.listener = listener;
    this.title = "Agent";
    this.hasWebRtc = false; // whether the server takes calls over WebRTC
    page.picker.addEventListener("change", () => this.choose(page.picker.value));
    page.chips.addEventListener("click", ({ target }) => {
      const chip = target.closest("button");
      if (chip) listener.asked(chip.textContent);
    });
  }

  /** Asks the server and shows what it says; without an answer the page works as it is. */
  async load() {
    const url = new URL("page/suggestions", base());
    const asked = parameters().get("agent") ?? "";
    if (asked) url.searchParams.set("agent", asked);
    try {
      const response = await fetch(url, { cache: "no-store", headers: headers(), signal: AbortSignal.timeout(4000) });
      if (asked !== (parameters().get("agent") ?? "")) return; // another one was chosen meanwhile
      if (response.status === 401) this.listener.refused();
      if (response.ok) this.show((await response.json()).data);
      else if (response.status === 404 && asked) {
        await this.choose("");
        this.listener.missing(asked);
      }
    } catch (error) {
      console.warn("no suggestions", error);
    }
  }

  choose(name) {
    const url = new URL(location.href);
    if (name) url.searchParams.set("agent", name);
    else url.searchParams.delete("agent");
    history.replaceState(null, "", url);
    this.listener.chosen();
    return this.load();
  }

  show({ agent, title, suggestions, agents, llm, webrtc }) {
    const { picker, picking, only, chips } = this.page;
    this.hasWebRtc = webrtc;
    this.title = title || agent;
    document.title = `Talk to ${this.title}`;
    picking.hidden = agents.length < 2;
    only.hidden = agents.length > 1;
    only.textContent = this.title;
    picker.replaceChildren(...agents.map((each) => new Option(each.title || each.name, each.name)));
    picker.value = agent;
    chips.replaceChildren(...suggestions.map(chip));
    chips.hidden = !suggestions.length;
    this.listener.shown({ title: this.title, hasLanguageModel: llm !== "flow" });
  }
}

function chip(text) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  item.append(button);
  return item;
}
