// The pipeline's figures: one poll of GET /api/pipeline, shared by whoever on this page wants
// them. It asks as often as the most eager of them wishes, not at all while nobody looks, and
// less and less often while the server is away.

const patience = 15000; // ms for one answer: the server itself waits for the queue
const longest = 15000; // ms between tries while the server is away

class Feed {
  constructor() {
    this.listeners = new Map(); // function -> {every, history}
    this.known = ''; // the time of the newest sample of the history that was heard
    this.timer = 0;
    this.asking = false;
    this.failures = 0;
    // last is what is known: doc is the newest answer and heard when it came; error says why
    // there is no newer one, and is null where all is well.
    this.last = { doc: null, heard: 0, error: null };
    document.addEventListener('visibilitychange', () => this.plan(0));
    addEventListener('online', () => this.plan(0));
    addEventListener('pageshow', (e) => { if (e.persisted) this.plan(0); });
  }

  // listen calls a function with every answer and every failure, until signal is aborted.
  // every is how many ms it wants between two asks; with history it gets that, too: whole
  // at first, and then what is new.
  listen(listener, { every, history = false, signal }) {
    if (history) this.known = '';
    else if (this.last.doc || this.last.error) listener(this.last);
    this.listeners.set(listener, { every, history });
    signal?.addEventListener('abort', () => this.listeners.delete(listener));
    this.plan(0);
  }

  address(history) {
    const since = history ? this.known : new Date().toISOString();
    return since ? `/api/pipeline?since=${encodeURIComponent(since)}` : '/api/pipeline';
  }

  // now asks at once.
  now() { this.plan(0); }

  plan(wait) {
    clearTimeout(this.timer);
    if (document.hidden || this.listeners.size === 0) return;
    this.timer = setTimeout(() => this.ask(), wait);
  }

  async ask() {
    if (this.asking) { this.again = true; return; }
    this.asking = true;
    this.again = false;
    const history = [...this.listeners.values()].some((l) => l.history);
    try {
      const response = await fetch(this.address(history), { signal: AbortSignal.timeout(patience) });
      const body = await response.json();
      if (!response.ok) throw Object.assign(new Error([body.detail, body.hint].filter(Boolean).join(' ') || body.title), { status: response.status });
      this.last = { doc: body, heard: Date.now(), error: null };
      if (history) this.known = body.history?.at(-1)?.t ?? this.known;
      this.failures = 0;
    } catch (error) {
      if (!error.status) error.message = error.name === 'TimeoutError' ? 'The web tier does not answer in time.' : 'The web tier cannot be reached.';
      this.last = { ...this.last, error };
      this.failures++;
    } finally {
      this.asking = false;
    }
    for (const listener of [...this.listeners.keys()]) listener(this.last);
    const every = Math.min(...[...this.listeners.values()].map((l) => l.every));
    this.plan(this.again ? 0 : this.failures ? Math.min(every * 1.5 ** Math.min(this.failures, 9), longest) : every);
  }
}

export const feed = new Feed();
