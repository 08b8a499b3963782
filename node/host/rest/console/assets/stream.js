// A watch as a stream of Server-Sent Events (HTML standard, section 9.2), read with fetch: EventSource cannot show a token.
import * as api from "./api.js";

// A node that has nothing to say sends a bookmark every 15 seconds: one that is silent for three times as long is gone.
const silenceMillisMax = 45000;
const pauseMillisMin = 1000, pauseMillisMax = 15000;

// events yields the events of a response as { token, doc }.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", data = "", id = "";
  for (;;) {
    const silent = setTimeout(() => reader.cancel(), silenceMillisMax);
    const { value, done } = await reader.read().finally(() => clearTimeout(silent));
    if (done) return;
    text += value;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ")) {
        data += line.slice("data: ".length);
      } else if (line.startsWith("id: ")) {
        id = line.slice("id: ".length);
      } else if (line === "" && data !== "") {
        yield { token: id, doc: JSON.parse(data) };
        data = "";
      }
    }
  }
}

// Stream watches below a directory, or under a path, until it is ended. It comes back with its last token when it is cut
// off, and stops for good when the node refuses it. onEvent gets each event, and onState what has become of the stream:
// "open", "cut" with the Problem, if there is one, or "refused" with it.
export class Stream {
  constructor(target, { onEvent, onState }) {
    this.target = target;
    this.onEvent = onEvent;
    this.onState = onState;
    this.token = "";
    this.abort = new AbortController();
  }

  end() { this.abort.abort(); }

  async run() {
    let pause = pauseMillisMin;
    while (!this.abort.signal.aborted) {
      let problem = null;
      try {
        const query = this.token === "" ? "?watch" : `?watch&since=${encodeURIComponent(this.token)}`;
        const response = await api.request("GET", `${this.target}${query}`, { signal: this.abort.signal });
        this.onState("open");
        for await (const { token, doc } of events(response)) {
          pause = pauseMillisMin;
          if (token !== "") this.token = token;
          this.onEvent(doc);
        }
      } catch (e) {
        if (this.abort.signal.aborted) return;
        if (e instanceof api.Problem && e.status >= 400 && e.status < 500 && e.status !== 429) {
          this.onState("refused", e);
          return;
        }
        problem = e;
      }
      if (this.abort.signal.aborted) return;
      this.onState("cut", problem);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, pause);
        this.abort.signal.addEventListener("abort", () => {
          clearTimeout(timer);
          resolve();
        }, { once: true });
      });
      pause = Math.min(2 * pause, pauseMillisMax);
    }
  }
}
