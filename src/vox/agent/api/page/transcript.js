// The conversation on the page. Sentences of the agent fill with colour as they are spoken; what was cut off is struck through.

export class Transcript {
  constructor(root) {
    this.root = root;
    this.entries = [];
    this.sentences = new Map();
    this.current = null;
    this.interim = null;
  }

  clear() {
    this.root.replaceChildren();
    this.entries = [];
    this.sentences.clear();
    this.current = this.interim = null;
  }

  /** What the caller seems to be saying. Hidden from screen readers, which would read every change. */
  hear(text) {
    if (!text) {
      this.interim?.item.remove();
      this.interim = null;
      return;
    }
    this.interim ??= this.addItem("user", { isInterim: true });
    this.interim.body.textContent = text;
    this.interim.item.setAttribute("aria-hidden", "true");
    this.scroll();
  }

  /** What the caller said. */
  heard(text) {
    this.hear("");
    if (this.current?.who !== "user") this.open("user");
    const { entry, body } = this.current;
    entry.text = join(entry.text, text);
    body.append(document.createTextNode(body.textContent ? ` ${text}` : text));
    this.scroll();
  }

  /** A sentence of the agent: announced, being spoken, or over. Returns the entry it belongs to. */
  say({ segment_id: id, text, will_be_spoken: isSpoken = true, spoken_status: status, spoken_progress: progress = {} }) {
    let sentence = this.sentences.get(id);
    if (!sentence) {
      if (this.current?.who !== "bot") this.open("bot");
      sentence = this.addSentence(text);
      this.sentences.set(id, sentence);
    }
    const heard = isSpoken ? (progress.accumulated_text ?? "") : text;
    const isWhole = status === "completed" && !progress.remaining_text;
    this.mark(sentence, isWhole ? text.length : heard.length);
    sentence.spoken = isWhole ? text : heard;
    if (status === "completed") {
      this.sentences.delete(id);
      this.cut(sentence, !isWhole && isSpoken);
    }
    sentence.entry.spoken = sentence.entry.sentences.map((part) => part.spoken).filter(Boolean).join(" ");
    this.scroll();
    return sentence.entry;
  }

  /** Whether sentences are known that have not been spoken to their end. */
  get isAwaitingSpeech() {
    return [...this.sentences.values()].some(({ isCut }) => !isCut);
  }

  /** The caller cut in: what comes next is a new answer. The end of the sentences now open may still be reported. */
  interrupt() {
    if (this.current?.who === "bot") this.current = null;
    for (const sentence of this.sentences.values()) this.cut(sentence, true);
  }

  /** Writes the time an answer took beside it. */
  time(text) {
    if (this.current?.who !== "bot" || !text) return;
    this.current.item.querySelector(".took").textContent = text;
  }

  open(who) {
    const entry = { who, text: "", spoken: "", wasInterrupted: false, sentences: [] };
    this.entries.push(entry);
    this.current = { who, entry, ...this.addItem(who) };
    return this.current;
  }

  addItem(who, { isInterim = false } = {}) {
    const item = element("div", `entry ${who}`);
    item.classList.toggle("interim", isInterim);
    const head = element("p", "who", who === "user" ? "You" : "Agent");
    const took = element("span", "took");
    took.setAttribute("aria-hidden", "true");
    head.append(took);
    const body = element("p", "said");
    item.append(head, body);
    if (this.interim && !isInterim) this.interim.item.before(item);
    else this.root.append(item);
    return { item, body };
  }

  addSentence(text) {
    const { entry, body } = this.current;
    const span = element("span", "sentence");
    // A word each, so that marking one as spoken changes a class and no text: live regions stay quiet.
    span.append(...text.split(/(?<=\s)/).map((word) => element("span", "word", word)));
    body.append(body.childNodes.length ? " " : "", span);
    const sentence = { entry, span, spoken: "", isCut: false };
    entry.sentences.push(sentence);
    entry.text = join(entry.text, text);
    return sentence;
  }

  mark({ span }, length) {
    let end = 0;
    for (const word of span.querySelectorAll(".word")) {
      const start = end;
      end += word.textContent.length;
      word.classList.toggle("spoken", start + word.textContent.trimEnd().length <= length);
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

  scroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.root;
    // Whoever has scrolled up to read is left there.
    if (scrollHeight - scrollTop - clientHeight < 160) this.root.scrollTop = scrollHeight;
  }
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function join(before, text) {
  return before ? `${before} ${text}` : text;
}
