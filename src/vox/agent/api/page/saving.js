// A conversation as a file: plain text for people, JSON for programs. No browser is needed here.

/** The conversation as text, a line for each thing said. */
export function asText({ agent, began, entries }) {
  const title = `Conversation with ${agent}, ${began.toLocaleDateString([], { dateStyle: "long" })}`;
  return [title, "", ...entries.map((entry) => line(entry, agent)), ""].join("\n");
}

/** The conversation as JSON. `spoken` is what the caller heard of `text`; `answered_after_s` is measured at the caller's ear. */
export function asJson({ agent, began, entries }) {
  const listed = entries.map(({ who, kind, text, spoken, wasInterrupted, at, tookS }) => ({
    at: at.toISOString(),
    who,
    kind,
    text,
    ...(who === "bot" && { spoken, was_interrupted: wasInterrupted }),
    ...(tookS !== undefined && { answered_after_s: Number(tookS.toFixed(3)) }),
  }));
  return `${JSON.stringify({ agent, began: began.toISOString(), entries: listed }, null, 2)}\n`;
}

/** A name for the file that sorts by time and works on every system. */
export function fileName(agent, began, extension) {
  const two = (number) => String(number).padStart(2, "0");
  const day = [began.getFullYear(), two(began.getMonth() + 1), two(began.getDate())].join("-");
  const name = agent.toLowerCase().replace(/[^\p{Letter}\p{Number}]+/gu, "-").replace(/^-|-$/g, "") || "agent";
  return `${day}-${two(began.getHours())}${two(began.getMinutes())}-${name}.${extension}`;
}

function line({ who, text, spoken, wasInterrupted, at }, agent) {
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  if (who === "page") return `[${time}] -- ${text}`;
  if (who === "user") return `[${time}] You: ${text}`;
  if (!wasInterrupted) return `[${time}] ${agent}: ${text}`;
  const unheard = text.startsWith(spoken) ? text.slice(spoken.length).trim() : text;
  return `[${time}] ${agent}: ${spoken}${spoken && " "}(interrupted, not heard: ${unheard})`;
}
