// Elements, and lists that are kept up to date without losing the focus: an element stays as long as its item does.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text; // screen readers say every change, also to the same
}

export function setState(node, kind, words) {
  const name = `state ${kind}`;
  if (node.className !== name) node.className = name;
  setText(node, words);
}

const rows = new WeakMap();

// Makes the children of `parent` those of the items; `make(item)` returns `{ node, update }`.
export function keyed(parent, items, keyOf, make) {
  const known = rows.get(parent) ?? new Map();
  const wanted = new Set(items.map(keyOf));
  for (const [key, row] of known) {
    if (!wanted.has(key)) {
      row.node.remove();
      known.delete(key);
    }
  }
  let before = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let row = known.get(key);
    if (!row) {
      row = make(item);
      known.set(key, row);
    }
    row.update(item);
    if (row.node === before) before = before.nextElementSibling;
    else parent.insertBefore(row.node, before);
  }
  rows.set(parent, known);
}

// A table whose rows are cards on a narrow screen; the roles keep it a table there for screen readers.
export function table(caption, headings) {
  const body = el("tbody", { role: "rowgroup" });
  const node = el(
    "table",
    { role: "table" },
    el("caption", { class: "unseen" }, caption),
    el(
      "thead",
      { role: "rowgroup" },
      el("tr", { role: "row" }, ...headings.map((text) => heading(text))),
    ),
    body,
  );
  return { node, body };
}

function heading(text) {
  if (text.startsWith("(")) return el("th", { scope: "col", role: "columnheader" }, el("span", { class: "unseen" }, text.slice(1, -1)));
  return el("th", { scope: "col", role: "columnheader" }, text);
}

export const row = (...cells) => el("tr", { role: "row" }, ...cells);
export const rowHeading = (...children) => el("th", { scope: "row", role: "rowheader" }, ...children);
export const cell = (label, ...children) => el("td", { role: "cell", "data-label": label }, ...children);

export function bar(...kinds) {
  const parts = kinds.map((kind) => el("i", { class: kind }));
  const node = el("div", { class: "bar", "aria-hidden": "true" }, ...parts);
  return {
    node,
    show(...shares) {
      parts.forEach((part, at) => part.style.setProperty("--part", String(Math.min(1, Math.max(0, shares[at] || 0)))));
    },
  };
}

// Texts that count: `data-since` up and `data-until` down, both Unix milliseconds of this browser's clock.
export function tick() {
  const now = Date.now();
  for (const node of document.querySelectorAll("[data-since]")) setText(node, clock(now - Number(node.dataset.since)));
  for (const node of document.querySelectorAll("[data-until]")) setText(node, clock(Number(node.dataset.until) - now));
}

export function count(node, name, at) {
  const other = name === "since" ? "until" : "since";
  delete node.dataset[other];
  node.dataset[name] = String(Math.round(at));
  setText(node, clock(name === "since" ? Date.now() - at : at - Date.now()));
}

export function stopCounting(node, text = "") {
  delete node.dataset.since;
  delete node.dataset.until;
  setText(node, text);
}

export function clock(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}
