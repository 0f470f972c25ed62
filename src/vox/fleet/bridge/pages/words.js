// What numbers, times and states are called.

const STATES = {
  // workers
  ready: "good", full: "busy", starting: "quiet", draining: "warn", handing_over: "warn", lame: "bad", stopped: "quiet", silent: "bad",
  // calls
  in_progress: "good", answered: "good", ringing: "busy", dialing: "busy", queued: "quiet", scheduled: "quiet", uncertain: "warn",
  completed: "quiet", no_answer: "quiet", busy: "quiet", rejected: "quiet", voicemail: "quiet", screened: "quiet", failed: "bad",
  canceled: "quiet", expired: "quiet",
  // campaigns
  running: "good", pausing: "warn", paused: "warn", draft: "quiet", validating: "quiet",
};

export const kindOf = (state) => STATES[state] ?? "quiet";

const NAMES = { no_answer: "no answer", in_progress: "in conversation", do_not_call: "on a do-not-call list", not_callable: "cannot be called" };

export const words = (name) => NAMES[name] ?? name.replaceAll("_", " ");

export const whole = (number) => new Intl.NumberFormat().format(number ?? 0);

export function percent(part, all) {
  return all ? new Intl.NumberFormat([], { style: "percent", maximumFractionDigits: 0 }).format(part / all) : "–";
}

export function moment(ms) {
  const at = new Date(ms);
  const isToday = at.toDateString() === new Date().toDateString();
  return at.toLocaleString([], isToday ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
}

// A number as it may be seen by who looks over a shoulder: country and end.
export function masked(number) {
  return number.length > 5 ? `${number.slice(0, 3)}${"•".repeat(number.length - 5)}${number.slice(-2)}` : "•".repeat(number.length);
}

export function plural(number, one, many) {
  return `${whole(number)} ${number === 1 ? one : many}`;
}
