// Requests to the bridge. The browser adds the session's cookie by itself.

const DEADLINE_MS = 10_000;
const LEAST_SKEW_MS = 3_000; // the header has whole seconds
let skewMs = 0;

export class Refused extends Error {
  constructor(status, { code = "", message = "The bridge refused the request.", hint = "" } = {}) {
    super(hint ? `${message} (${hint})` : message);
    this.status = status;
    this.code = code;
  }
}

export class Unreachable extends Error {}

export async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      cache: "no-store",
      signal: AbortSignal.timeout(DEADLINE_MS),
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Unreachable("The bridge does not answer.");
  }
  const date = Date.parse(answer.headers.get("date") ?? "");
  if (!Number.isNaN(date)) skewMs = Math.abs(Date.now() - date) < LEAST_SKEW_MS ? 0 : Date.now() - date;
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const told = await answer.json().catch(() => null);
  if (told === null && answer.status >= 500) throw new Unreachable("The bridge does not answer.");
  throw new Refused(answer.status, told?.error);
}

// A time of the bridge's clock on this browser's.
export const here = (ms) => ms + skewMs;

export const get = (path) => ask("GET", path);
export const post = (path, body) => ask("POST", path, body);
