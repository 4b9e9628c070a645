// The images that the gallery knows: as many of the list's pages as were asked for, kept up to
// date by events, in the order of the list (by key: of uploads the newest first). It outlives
// the page of images, which finds everything as it left it.

import * as api from './api.js';
import * as live from './live.js';
import { finished, tileOf } from './words.js';

const pageSize = 60;
const refreshed = 600; // items that are loaded again at most when events were missed
const late = 15000; // ms after which an image that waits is asked about

// slim keeps of a document what a card shows: there may be a hundred thousand.
function slim(doc) {
  const tile = tileOf(doc);
  return {
    id: doc.id, key: doc.key, name: doc.name, status: doc.status, recipe: doc.recipe, params: doc.params, processing: doc.processing,
    source: { url: doc.source.url, etag: doc.source.etag }, error: doc.error, outputs: tile ? [tile] : [],
    timings: doc.timings && { finished: doc.timings.finished, totalMs: doc.timings.totalMs }, since: Date.now(),
  };
}

export class Collection extends EventTarget {
  constructor() {
    super();
    this.reset({});
    live.on('image', (doc) => this.apply(doc));
    live.on('deleted', (id) => this.drop(id));
    live.on('reload', () => this.reload());
    setInterval(() => this.chase(), 10000);
  }

  reset(filter) {
    this.filter = { status: '', recipe: '', q: '', ...filter };
    this.items = [];
    this.byId = new Map();
    this.next = null; // null: nothing was asked for yet; '': that was all
    this.searched = 0;
    this.error = null;
    this.busy?.abort();
    this.busy = null;
  }

  get narrowed() { return Boolean(this.filter.status || this.filter.recipe || this.filter.q); }

  // narrow shows other images.
  narrow(filter) {
    this.reset(filter);
    this.changed();
    return this.more();
  }

  changed(item = null) { this.dispatchEvent(new CustomEvent('change', { detail: item })); }

  // more loads what follows. Of a search that is one bounded part.
  async more() {
    if (this.busy || this.next === '') return;
    const busy = new AbortController();
    this.busy = busy;
    this.error = null;
    this.changed();
    try {
      const page = await api.list({ cursor: this.next ?? '', limit: pageSize, ...this.filter }, busy.signal);
      if (this.busy !== busy) return;
      for (const doc of page.images) this.put(slim(doc));
      this.next = page.next;
      this.searched += page.searched;
    } catch (error) {
      if (this.busy !== busy) return;
      this.error = error;
    }
    this.busy = null;
    this.changed();
  }

  // reload brings everything up to date after events were missed.
  async reload() {
    if (this.next === null) return; // nothing was shown yet
    this.busy?.abort();
    const busy = new AbortController();
    this.busy = busy;
    const pending = [];
    this.pending = pending;
    const seen = new Set();
    const want = Math.min(Math.max(this.items.length, 1), refreshed);
    try {
      let cursor = '';
      let last = '';
      do {
        const page = await api.list({ cursor, limit: pageSize, ...this.filter }, busy.signal);
        if (this.busy !== busy) return;
        for (const doc of page.images) {
          seen.add(doc.id);
          last = doc.key;
          this.put(slim(doc));
        }
        cursor = page.next;
      } while (cursor && seen.size < want && !this.narrowed);
      // What is within the part that was read and not on it is gone.
      const stays = (item) => seen.has(item.id) || item.local || (cursor && item.key > last);
      for (const item of this.items) if (!stays(item)) this.byId.delete(item.id);
      this.items = this.items.filter(stays);
      if (this.items.length <= seen.size) this.next = cursor;
      this.error = null;
    } catch (error) {
      if (this.busy !== busy) return;
      this.error = error;
      setTimeout(() => { if (this.error === error) this.reload(); }, 5000);
    }
    this.busy = null;
    this.pending = null;
    for (const doc of pending) this.apply(doc);
    this.changed();
  }

  matches(doc) {
    const { status, recipe, q } = this.filter;
    return (!status || doc.status === status) && (!recipe || doc.recipe === recipe) && (!q || doc.name.toLowerCase().includes(q.toLowerCase()));
  }

  // apply takes an event. A result older than the one shown has been overtaken on its way.
  apply(doc) {
    if (this.pending) { this.pending.push(doc); return; }
    const before = this.byId.get(doc.id);
    if (before && finished(before) && finished(doc) && finished(doc) < finished(before)) return;
    if (!this.matches(doc)) {
      if (before) this.drop(doc.id);
      return;
    }
    if (!before && this.next && this.items.length > 0 && doc.key > this.items.at(-1).key) return; // not come to yet
    const item = this.put(slim(doc));
    this.changed(before ? item : null);
  }

  // uploading tells of a file on its way; its item goes over into the image's.
  uploading(id, key, name, job, progress) {
    const item = { id, key, name, status: 'uploading', recipe: job.recipe, params: job.params, source: { url: '' }, outputs: [], local: progress, since: Date.now() };
    if (this.byId.get(id)?.local === undefined && this.byId.has(id)) return; // its result was faster
    if (this.matches(item)) { this.put(item); this.changed(); }
  }

  // uploaded says that a file has arrived: it waits, unless its result was faster than we are.
  uploaded(id) {
    const item = this.byId.get(id);
    if (!item?.local) return;
    this.put({ ...item, status: 'queued', local: undefined, source: { url: `/api/images/${id}/original` }, preview: item.local, since: Date.now() });
    this.changed(this.byId.get(id));
  }

  put(item) {
    const before = this.byId.get(item.id);
    if (before) {
      const preview = before.local ?? before.preview; // the file itself stands in for the result
      Object.assign(before, { local: undefined, processing: undefined, error: undefined, timings: undefined }, item);
      before.preview = finished(before) ? undefined : preview;
      return before;
    }
    // Nearly always the place is at one of the ends.
    let at = this.items.length;
    if (at > 0 && item.key < this.items[0].key) at = 0;
    else if (at > 0 && item.key < this.items[at - 1].key) {
      let low = 0;
      while (low < at) {
        const mid = (low + at) >> 1;
        if (this.items[mid].key < item.key) low = mid + 1; else at = mid;
      }
    }
    this.items.splice(at, 0, item);
    this.byId.set(item.id, item);
    return item;
  }

  drop(id) {
    const item = this.byId.get(id);
    if (!item) return;
    this.byId.delete(id);
    this.items.splice(this.items.indexOf(item), 1);
    this.dispatchEvent(new CustomEvent('gone', { detail: id }));
    this.changed();
  }

  // chase asks about images that have been waiting for long, in case an event was lost.
  async chase() {
    if (document.hidden || this.busy) return;
    const waiting = this.items.filter((d) => !d.local && !finished(d) && Date.now() - d.since > late).slice(0, 8);
    for (const item of waiting) {
      item.since = Date.now();
      try {
        const doc = await api.image(item.id);
        if (this.byId.get(item.id) === item && doc.status !== item.status) this.apply(doc);
      } catch (error) {
        if (error.status === 404 && this.byId.get(item.id) === item && !item.local) this.drop(item.id);
      }
    }
  }
}

export const images = new Collection();
