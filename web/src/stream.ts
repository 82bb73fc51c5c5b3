// The stream: server-sent events read with `fetch`, which unlike `EventSource` can bear a token.
//
// It comes back by itself, later each time, and tells the server what it has seen (`Last-Event-ID`).
// A server that says nothing for a while is taken as lost: it sends its clock every two seconds.

/** Why the stream is not connected. */
export type Loss = "network" | "quiet" | "refused";

export interface Handlers {
  event(name: string, data: unknown): void;
  /** Bytes come. */
  connected(): void;
  /** The stream broke; the next try is in so many milliseconds. Returns whether what was seen can be resumed from. */
  lost(why: Loss, detail: string, retryMs: number): boolean;
  /** The server asks for a token. */
  denied(): void;
  /** The server does not have what is asked for; it is not asked again. */
  outdated(detail: string): void;
}

const QUIET_MS = 8_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000];

export class Stream {
  private controller = new AbortController();
  private lastId = "";
  private heard = 0;
  private tries = 0;
  private ended = false;

  constructor(
    private readonly url: string,
    private readonly token: string | null,
    private readonly to: Handlers,
  ) {
    void this.run();
  }

  close(): void {
    this.ended = true;
    this.controller.abort();
  }

  private async run(): Promise<void> {
    while (!this.ended) {
      let loss: Loss = "network";
      let detail = "";
      this.controller = new AbortController();
      this.heard = performance.now();
      const watch = setInterval(() => {
        if (QUIET_MS < performance.now() - this.heard) {
          loss = "quiet";
          this.controller.abort();
        }
      }, 1_000);
      try {
        const headers: Record<string, string> = { accept: "text/event-stream" };
        if (this.token) headers.authorization = `Bearer ${this.token}`;
        if (this.lastId) headers["last-event-id"] = this.lastId;
        const answer = await fetch(this.url, { headers, signal: this.controller.signal, cache: "no-store" });
        if (answer.status === 401) {
          this.ended = true;
          this.to.denied();
        } else if (answer.status === 400) {
          this.ended = true;
          this.to.outdated(await problem(answer));
        } else if (!answer.ok || !answer.body) {
          loss = "refused";
          detail = await problem(answer);
        } else {
          this.to.connected();
          await this.read(answer.body);
        }
      } catch {
        // A broken or aborted connection; which of the two, `loss` knows.
      } finally {
        clearInterval(watch);
      }
      if (this.ended) return;
      const wait = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)]! * (0.75 + Math.random() / 2);
      this.tries += 1;
      if (!this.to.lost(loss, detail, wait)) this.lastId = "";
      await new Promise((done) => setTimeout(done, wait));
    }
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    let name = "";
    let data = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.ended) return;
      this.heard = performance.now();
      const text = rest + decoder.decode(value, { stream: true });
      let from = 0;
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
        const line = text.slice(from, text[end - 1] === "\r" ? end - 1 : end);
        from = end + 1;
        if (line === "") {
          if (data !== "") {
            this.tries = 0;
            this.to.event(name || "message", JSON.parse(data));
          }
          name = data = "";
        } else if (line.startsWith("data:")) {
          data += line.slice(line[5] === " " ? 6 : 5);
        } else if (line.startsWith("event:")) {
          name = line.slice(6).trim();
        } else if (line.startsWith("id:")) {
          this.lastId = line.slice(3).trim();
        }
      }
      rest = text.slice(from);
    }
  }
}

/** What an answer that is no success says. */
export async function problem(answer: Response): Promise<string> {
  try {
    const body = await answer.json();
    return String(body.detail ?? answer.status);
  } catch {
    return String(answer.status);
  }
}
