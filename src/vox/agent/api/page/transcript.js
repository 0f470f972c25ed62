// The conversation on the page: each thing once, in its order. Sentences of the agent fill with colour as they are spoken; what was
// cut off is struck through. At the end stands what is not settled yet: typed text on its way, and what the caller seems to be saying.

export class Transcript {
  /** `root` holds the entries; `changed` is told how many there are. */
  constructor(root, changed) {
    this.root = root;
    this.changed = changed;
    this.agent = "Agent";
    this.clear();
  }

  clear() {
    this.root.replaceChildren();
    this.entries = [];
    this.pending = [];
    this.current = this.interim = null;
    this.begin();
    this.changed(this.entries.length);
  }

  /** A new call: its answers are numbered from the beginning again. */
  begin() {
    this.sentences = new Map();
    this.answers = new Map();
    this.latestAnswer = null;
  }

  /** What the caller seems to be saying. Hidden from screen readers, which would read every change. */
  hear(text) {
    if (!text) {
      this.interim?.item.remove();
      this.interim = null;
      return;
    }
    this.interim ??= this.addWaiting("interim");
    this.interim.body.textContent = text;
    this.scroll();
  }

  /** What the caller typed; it takes its place once the server has it. */
  typed(text) {
    const waiting = this.addWaiting("sending");
    waiting.body.textContent = text;
    this.pending.push({ ...waiting, text });
    this.scroll({ always: true });
  }

  /** What the caller said, or typed before. Returns its entry. */
  heard(text) {
    if (this.pending[0]?.text === text) {
      this.pending.shift().item.remove();
      this.write(this.open("user", "typed"), text);
    } else {
      this.hear("");
      const isMore = this.current?.entry.who === "user" && this.current.entry.kind === "spoken";
      this.write(isMore ? this.current : this.open("user", "spoken"), text);
    }
    return this.current.entry;
  }

  /** The caller said something without words in it. */
  notUnderstood() {
    this.hear("");
    this.write(this.open("user", "not-understood"), "(not understood)");
  }

  /** The caller pressed a key; keys in a row share an entry. */
  pressed(key) {
    if (this.current?.entry.kind !== "keys") {
      this.write(this.open("user", "keys"), `Key ${key}`);
      return;
    }
    const { entry, body } = this.current;
    body.textContent = entry.text = `${entry.text.replace(/^Key /, "Keys ")} ${key}`;
  }

  /** Something about the call that no side said. */
  note(text) {
    this.write(this.open("page", "note"), text);
  }

  /** Typed text that will not arrive any more. */
  giveUpPending() {
    for (const { item, text } of this.pending.splice(0)) {
      item.remove();
      this.write(this.open("user", "unsent"), text);
    }
  }

  /** A sentence of the agent: announced, being spoken, or over. Its id is "answer.sentence". Returns the entry of the answer. */
  say({ segment_id: id, text, will_be_spoken: isSpoken = true, spoken_status: status, spoken_progress: progress = {} }) {
    let sentence = this.sentences.get(id);
    if (!sentence) {
      sentence = this.addSentence(this.answer(String(id).split(".")[0]), text);
      this.sentences.set(id, sentence);
    }
    const isWhole = !isSpoken || (status === "completed" && !progress.remaining_text);
    sentence.spoken = isWhole ? text : (progress.accumulated_text ?? "");
    sentence.isOver = isWhole || status === "completed";
    this.mark(sentence);
    this.cut(sentence, sentence.isOver && !isWhole);
    sentence.entry.spoken = sentence.entry.sentences.map((part) => part.spoken).filter(Boolean).join(" ");
    this.scroll();
    return sentence.entry;
  }

  /** Whether sentences are known that have not been spoken to their end. */
  get isAwaitingSpeech() {
    return [...this.sentences.values()].some(({ isOver }) => !isOver);
  }

  /** The call is over: what was not spoken will not be. */
  end() {
    this.hear("");
    this.giveUpPending();
    for (const sentence of this.sentences.values()) if (!sentence.isOver) this.cut(sentence, true);
  }

  /** Writes the time the latest answer took beside it. */
  time(seconds) {
    if (!this.latestAnswer) return;
    this.latestAnswer.entry.tookS = seconds;
    this.latestAnswer.item.querySelector(".took").textContent = `${seconds.toFixed(2)} s`;
  }

  answer(number) {
    let answer = this.answers.get(number);
    if (!answer) {
      answer = this.latestAnswer = this.open("bot", "spoken");
      this.answers.set(number, answer);
    }
    return answer;
  }

  open(who, kind) {
    const entry = { who, kind, text: "", spoken: "", wasInterrupted: false, at: new Date(), sentences: [] };
    this.entries.push(entry);
    const parts = this.makeItem(who, kind);
    const first = this.root.querySelector(":scope > .waiting");
    if (first) first.before(parts.item);
    else this.root.append(parts.item);
    this.current = { entry, ...parts };
    this.changed(this.entries.length);
    return this.current;
  }

  write({ entry, body }, text) {
    entry.text = join(entry.text, text);
    body.append(document.createTextNode(body.textContent ? ` ${text}` : text));
    this.scroll();
  }

  addWaiting(kind) {
    const parts = this.makeItem("user", kind);
    parts.item.classList.add("waiting");
    parts.item.setAttribute("aria-hidden", "true");
    this.root.append(parts.item);
    return parts;
  }

  makeItem(who, kind) {
    const item = element("div", `entry ${who}`);
    item.dataset.kind = kind;
    const body = element("p", "said");
    if (who !== "page") {
      const head = element("p", "who", who === "user" ? NAMES[kind] ?? "You" : this.agent);
      const took = element("span", "took");
      took.setAttribute("aria-hidden", "true");
      head.append(took);
      item.append(head);
    }
    item.append(body);
    return { item, body };
  }

  addSentence({ entry, body }, text) {
    const span = element("span", "sentence");
    // A word each, so that marking one as spoken changes a class and no text: live regions stay quiet.
    span.append(...text.split(/(?<=\s)/).map((word) => element("span", "word", word)));
    body.append(body.childNodes.length ? " " : "", span);
    const sentence = { entry, span, text, spoken: "", isOver: false, isCut: false };
    entry.sentences.push(sentence);
    entry.text = join(entry.text, text);
    return sentence;
  }

  mark({ span, spoken }) {
    let end = 0;
    for (const word of span.querySelectorAll(".word")) {
      const start = end;
      end += word.textContent.length;
      word.classList.toggle("spoken", start + word.textContent.trimEnd().length <= spoken.length);
    }
  }

  cut(sentence, isCut) {
    if (sentence.isCut === isCut) return;
    sentence.isCut = isCut;
    sentence.span.classList.toggle("cut", isCut);
    if (isCut) sentence.span.append(element("span", "unseen", " (interrupted)"));
    else sentence.span.querySelector(".unseen").remove();
    sentence.entry.wasInterrupted = sentence.entry.sentences.some((other) => other.isCut);
  }

  scroll({ always = false } = {}) {
    const { scrollHeight, scrollTop, clientHeight } = this.root;
    // Readers who have scrolled up are left there.
    if (always || scrollHeight - scrollTop - clientHeight < 160) this.root.scrollTop = scrollHeight;
  }
}

const NAMES = { sending: "You · sending", unsent: "You · not sent", interim: "You · speaking" };

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function join(before, text) {
  return before ? `${before} ${text}` : text;
}
