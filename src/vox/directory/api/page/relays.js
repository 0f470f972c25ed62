// Draws the relays on the map and in the table, and keeps both up to date from the directory's event stream.

const SVG = "http://www.w3.org/2000/svg";
const relays = new Map();
const summary = document.getElementById("summary");
let planned = false;

const across = (longitude) => ((longitude + 180) / 360) * 1000;
const down = (latitude) => ((90 - latitude) / 180) * 500;

const isFull = (relay) => relay.current_connections >= relay.capacity;

function stateOf(relay) {
  if (relay.draining) return "draining";
  return relay.healthy && isFull(relay) ? "full" : relay.state;
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

async function drawLand() {
  const world = await (await fetch("page/world.json")).json();
  const land = document.getElementById("land");
  for (const [name, coast] of Object.entries(world)) {
    const points = [];
    for (let at = 0; at < coast.length; at += 2) points.push(`${across(coast[at]).toFixed(1)},${down(coast[at + 1]).toFixed(1)}`);
    land.append(element("polygon", { points: points.join(" "), "data-land": name }));
  }
}

function draw() {
  planned = false;
  const all = [...relays.values()].sort((a, b) => a.region.localeCompare(b.region) || a.name.localeCompare(b.name));
  const open = all.filter((relay) => relay.healthy && !relay.draining && !isFull(relay)).length;
  const said = all.length ? `${open} of ${all.length} take new clients` : "No relays yet: vox directory register adds one";
  if (summary.textContent !== said) summary.textContent = said; // screen readers say every change, also to the same
  document.getElementById("relays").replaceChildren(...all.map(dot));
  document.getElementById("rows").replaceChildren(...all.map(row));
}

function dot(relay) {
  const state = stateOf(relay);
  const load = relay.current_connections / relay.capacity;
  const circle = element("circle", {
    cx: across(relay.longitude).toFixed(2),
    cy: down(relay.latitude).toFixed(2),
    r: (5 + 4 * Math.min(1, load)).toFixed(1),
    class: state,
    "data-relay": relay.id,
  });
  circle.append(element("title", {}, `${relay.name}: ${state}, ${relay.current_connections} of ${relay.capacity}`));
  return circle;
}

function row(relay) {
  const state = stateOf(relay);
  const line = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = relay.name;
  line.append(name);
  const texts = [
    state,
    relay.region,
    `${relay.current_connections} of ${relay.capacity}`,
    seen(relay.last_seen_at),
    `${relay.latitude.toFixed(1)}, ${relay.longitude.toFixed(1)}`,
  ];
  for (const text of texts) {
    const cell = document.createElement("td");
    cell.append(text);
    line.append(cell);
  }
  line.children[1].className = `state ${state}`;
  return line;
}

function seen(moment) {
  const time = document.createElement("time");
  time.dateTime = moment;
  time.title = moment;
  time.textContent = new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  return time;
}

function plan() {
  if (!planned) {
    planned = true;
    requestAnimationFrame(draw);
  }
}

function listen() {
  const events = new EventSource("v1/events");
  events.addEventListener("relays", (event) => {
    relays.clear();
    for (const relay of JSON.parse(event.data)) relays.set(relay.id, relay);
    plan();
  });
  events.addEventListener("changes", (event) => {
    const { changed, gone } = JSON.parse(event.data);
    for (const relay of changed) relays.set(relay.id, relay);
    for (const id of gone) relays.delete(id);
    plan();
  });
  events.onerror = () => {
    summary.textContent = "The directory does not answer; trying again…";
  };
}

await drawLand();
listen();
