// The queue of uploads. It belongs to no page: going from one to another it goes on.

import { coupled, transfer } from './transfer.js';
import { images } from './collection.js';
import * as live from './live.js';
import { announce } from './announce.js';
import { finished } from './words.js';

const atOnce = 4;
const tries = 6; // of what may pass by itself: the server is busy, the network is away
const window_ = 6000; // ms over which the rate is taken

// The states of an entry. What is after "sent" the server tells.
export const open = new Set(['waiting', 'sending', 'sent']);

class Uploads extends EventTarget {
  constructor() {
    super();
    this.entries = [];
    this.running = 0;
    this.samples = []; // {at, bytes}: what was out at an instant
    this.frame = 0;
    this.serial = 0;
    this.held = 0; // Date.now() until which nothing new begins
    this.byImage = new Map();
    live.on('image', (doc) => this.hear(doc));
    addEventListener('online', () => { this.held = 0; this.work(); });
    addEventListener('beforeunload', (e) => { if (this.busy) e.preventDefault(); });
  }

  get busy() { return this.entries.some((e) => open.has(e.state)); }

  changed() {
    this.frame ||= setTimeout(() => {
      this.frame = 0;
      this.sample();
      this.dispatchEvent(new Event('change'));
    }, 80);
  }

  add(files, job) {
    if (!this.busy) this.forget();
    for (const file of files) this.entries.push({ n: ++this.serial, file, job, state: 'waiting', loaded: 0, tries: 0, error: null, image: null, doc: null, stop: null });
    this.work();
    this.changed();
  }

  work() {
    const pause = this.held - Date.now();
    if (pause > 0) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.work(), pause);
      return;
    }
    while (this.running < atOnce) {
      const entry = this.entries.find((e) => e.state === 'waiting');
      if (!entry) return;
      this.send(entry);
    }
  }

  async send(entry) {
    this.running += 1;
    entry.state = 'sending';
    entry.loaded = 0;
    entry.error = null;
    entry.began = performance.now();
    const stop = new AbortController();
    entry.stop = stop;
    // Coupled, the image has no id before its answer: until then its card has one of ours.
    const own = coupled ? `local-${entry.n}` : null;
    if (own) {
      entry.image = own;
      images.uploading(own, '', entry.file.name, entry.job, entry);
    }
    try {
      const { id, doc } = await transfer(entry.file, entry.job, {
        begun: ({ id, key }) => {
          entry.image = id;
          this.byImage.set(id, entry);
          images.uploading(id, key, key.slice(key.lastIndexOf('/') + 1), entry.job, entry);
        },
        progress: (n) => { entry.loaded = n; this.changed(); this.tell(entry); },
        sent: () => { entry.state = 'sent'; this.changed(); this.tell(entry); },
      }, stop.signal);
      entry.took = performance.now() - entry.began;
      if (own) images.drop(own);
      entry.loaded = entry.file.size;
      entry.state = 'uploaded';
      entry.image = id;
      this.byImage.set(id, entry);
      images.uploaded(id);
      if (doc) { images.apply(doc); this.hear(doc); }
    } catch (error) {
      if (entry.image && images.byId.get(entry.image)?.local) images.drop(entry.image);
      entry.image = null;
      entry.loaded = 0;
      if (error.name === 'AbortError') {
        entry.state = 'cancelled';
      } else if (error.passing && entry.tries < tries) {
        entry.tries += 1;
        entry.state = 'waiting';
        entry.error = error;
        this.held = Date.now() + Math.min(30000, (error.retryAfter * 1000 || 500 * 2 ** entry.tries) * (0.75 + Math.random() / 2));
      } else {
        entry.state = 'failed';
        entry.error = error;
        announce(`${entry.file.name}: ${error.message}`);
      }
    }
    this.running -= 1;
    entry.stop = null;
    this.changed();
    this.work();
  }

  tell(entry) {
    const item = entry.image && images.byId.get(entry.image);
    if (item?.local) images.changed(item);
  }

  hear(doc) {
    const entry = this.byImage.get(doc.id);
    if (!entry) return;
    if (doc.status === 'done' && entry.doc?.status !== 'done') announce(`${doc.name}: done.`);
    if (doc.status === 'failed' && entry.doc?.status !== 'failed') announce(`${doc.name}: failed. ${doc.error?.message ?? ''}`);
    entry.doc = { status: doc.status, timings: doc.timings, error: doc.error, processing: doc.processing };
    this.changed();
  }

  cancel(entry) {
    if (entry.stop) entry.stop.abort();
    else if (entry.state === 'waiting') entry.state = 'cancelled';
    this.changed();
  }

  retry(entry) {
    if (entry.state !== 'failed' && entry.state !== 'cancelled') return;
    Object.assign(entry, { state: 'waiting', tries: 0, error: null });
    this.held = 0;
    this.work();
    this.changed();
  }

  cancelAll() { for (const entry of this.entries) if (open.has(entry.state)) this.cancel(entry); }
  retryAll() { for (const entry of this.entries) this.retry(entry); }

  // forget lets go of what is finished with.
  forget() {
    this.entries = this.entries.filter((e) => open.has(e.state) || e.state === 'failed');
    this.byImage = new Map(this.entries.filter((e) => e.image).map((e) => [e.image, e]));
    this.samples = [];
    this.changed();
  }

  sample() {
    const now = performance.now();
    const bytes = this.entries.reduce((sum, e) => sum + e.loaded, 0);
    const last = this.samples.at(-1);
    if (last && bytes < last.bytes) this.samples = []; // something began anew
    if (!last || now - last.at > 200) this.samples.push({ at: now, bytes });
    while (this.samples.length > 2 && now - this.samples[0].at > window_) this.samples.shift();
  }

  // totals are the figures of everything in the queue. Rate is bytes a second, left seconds;
  // both null where they cannot be told.
  totals() {
    const t = { files: this.entries.length, uploaded: 0, failed: 0, cancelled: 0, open: 0, done: 0, bytes: 0, loaded: 0, rate: null, left: null };
    for (const e of this.entries) {
      if (e.state === 'cancelled') { t.cancelled += 1; continue; }
      if (e.state === 'failed') { t.failed += 1; continue; }
      t.bytes += e.file.size;
      t.loaded += e.loaded;
      if (open.has(e.state)) t.open += 1; else t.uploaded += 1;
      if (e.doc && finished(e.doc)) t.done += 1;
    }
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (t.open > 0 && last && last.at - first.at > 400 && last.bytes > first.bytes) {
      t.rate = ((last.bytes - first.bytes) * 1000) / (last.at - first.at);
      t.left = (t.bytes - t.loaded) / t.rate;
    }
    return t;
  }
}

export const uploads = new Uploads();
