// The list of images, newest first. Names and everything else that came with an image
// are untrusted: they go in as text, never as markup.

import * as api from './lib/api.js';

const labels = { uploading: 'uploading', queued: 'waiting', processing: 'in work', done: 'done', failed: 'failed' };
const shown = ['jpeg', 'png', 'webp', 'gif', 'avif']; // what browsers display

const finished = (doc) => (doc.status === 'done' || doc.status === 'failed' ? Date.parse(doc.timings?.finished ?? '') || 0 : 0);
const bytes = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : n >= 1e3 ? `${Math.round(n / 1e3)} kB` : `${n} B`);

// smallest is the output fit for a tile: the one made for it, or the smallest that is not tiny.
export function smallest(doc) {
  const fit = doc.outputs.filter((o) => shown.includes(o.format));
  return fit.find((o) => o.name === 'thumb')
    ?? fit.filter((o) => o.width >= 240).sort((a, b) => a.width - b.width)[0] ?? fit[0];
}

// fresh makes an output's address change with its content, so that caches can be trusted.
const fresh = (o) => `${o.url}?v=${encodeURIComponent(o.key.split('/').at(-2) ?? '')}`;

export class Gallery {
  constructor({ job, announce }) {
    this.root = document.querySelector('#images');
    this.empty = document.querySelector('#empty');
    this.moreButton = document.querySelector('#more');
    this.template = document.querySelector('#card');
    this.job = job;
    this.announce = announce;
    this.docs = new Map(); // id -> document shown
    this.cards = new Map(); // id -> its <li>
    this.pending = null; // events that arrive while the list is loading
    this.again = false;
    this.next = '';
    for (const card of this.root.children) this.adopt(card.dataset.id, card);
    this.moreButton.addEventListener('click', () => this.more());
    setInterval(() => this.chase(), 10000);
  }

  adopt(id, card) {
    this.cards.set(id, card);
    card.querySelector('.thumb').addEventListener('error', (e) => {
      e.target.hidden = true;
      e.target.removeAttribute('src'); // so that the next look tries again
      card.querySelector('.blank').hidden = false;
    });
    card.querySelector('.retry').addEventListener('click', (e) => this.act(card, e.target, 'retry'));
    card.querySelector('.delete').addEventListener('click', (e) => this.act(card, e.target, 'delete'));
  }

  // reload fetches the first page. Events that arrive meanwhile are applied after it.
  async reload() {
    if (this.pending) { this.again = true; return; }
    this.pending = [];
    this.root.setAttribute('aria-busy', 'true');
    try {
      const page = await api.list('');
      const listed = new Set(page.images.map((d) => d.id));
      // What is not on the fresh first page is further down, deleted, or still uploading here.
      for (const [id, card] of this.cards) {
        if (!listed.has(id) && !card.uploading) this.drop(id);
      }
      for (const doc of page.images) this.put(doc);
      this.next = page.next;
      document.querySelector('#list-error')?.remove();
    } catch {
      setTimeout(() => this.reload(), 5000);
    } finally {
      const events = this.pending;
      this.pending = null;
      this.root.setAttribute('aria-busy', 'false');
      for (const apply of events) apply();
      this.settle();
      if (this.again) { this.again = false; this.reload(); }
    }
  }

  async more() {
    this.moreButton.disabled = true;
    try {
      const page = await api.list(this.next);
      for (const doc of page.images) this.put(doc);
      this.next = page.next;
    } catch (error) {
      this.announce(error.message);
    } finally {
      this.moreButton.disabled = false;
      this.settle();
    }
  }

  settle() {
    this.empty.hidden = this.cards.size > 0;
    this.moreButton.hidden = !this.next;
  }

  // onImage takes an event. A result older than the one shown has been overtaken on its way.
  onImage(doc) {
    if (this.pending) { this.pending.push(() => this.onImage(doc)); return; }
    const before = this.docs.get(doc.id);
    if (before && finished(before) && finished(doc) && finished(doc) < finished(before)) return;
    this.put(doc);
    this.settle();
    if (doc.status === 'done') this.announce(`${doc.name}: done.`);
    if (doc.status === 'failed') this.announce(`${doc.name}: failed. ${doc.error?.message ?? ''}`);
  }

  onDeleted(id) {
    if (this.pending) { this.pending.push(() => this.onDeleted(id)); return; }
    this.drop(id);
    this.settle();
  }

  // chase asks about images that have been waiting for long, in case an event was lost.
  async chase() {
    if (document.hidden) return;
    const late = [...this.docs.values()].filter((d) => !finished(d) && Date.now() - (d.since ?? 0) > 15000).slice(0, 8);
    for (const waiting of late) {
      try {
        const doc = await api.image(waiting.id);
        if (this.docs.get(waiting.id) === waiting && finished(doc)) this.put(doc);
      } catch (error) {
        if (error.status === 404 && this.docs.get(waiting.id) === waiting && !this.cards.get(waiting.id)?.uploading) this.drop(waiting.id);
      }
    }
    this.settle();
  }

  drop(id) {
    const card = this.cards.get(id);
    if (card) this.forgetPreview(card);
    card?.remove();
    this.cards.delete(id);
    this.docs.delete(id);
  }

  // forgetPreview lets go of the chosen file that stood in for the result.
  forgetPreview(card) {
    if (card.preview) URL.revokeObjectURL(card.preview);
    card.preview = undefined;
  }

  // card finds or makes the card of an image. Ids of uploads sort newest first; other
  // ids ("k-…", "h-…") come in the order of the list.
  card(id) {
    let card = this.cards.get(id);
    if (card) return card;
    card = this.template.content.firstElementChild.cloneNode(true);
    card.dataset.id = id;
    this.adopt(id, card);
    const own = (x) => !/^[kh]-/.test(x);
    const after = own(id)
      ? [...this.root.children].find((c) => !own(c.dataset.id) || c.dataset.id > id)
      : null;
    this.root.insertBefore(card, after ?? null);
    return card;
  }

  // put shows a document.
  put(doc) {
    const card = this.card(doc.id);
    this.docs.set(doc.id, { ...doc, since: Date.now() });
    card.uploading = false;
    card.dataset.status = doc.status;
    this.head(card, doc.name, labels[doc.status] ?? doc.status, detail(doc));
    card.querySelector('.progress').hidden = true;
    this.why(card, doc.error ? [doc.error.message, doc.error.hint].filter(Boolean).join(' ') : '');
    const tile = doc.status === 'done' ? smallest(doc) : null;
    if (finished(doc)) this.forgetPreview(card);
    this.picture(card, tile ? fresh(tile) : card.preview ?? '', tile ? `${doc.name}, ${doc.recipe ?? ''}` : '');
    const largest = doc.outputs.find((o) => o.name === 'large' && shown.includes(o.format)) ?? doc.outputs[0];
    const picture = card.querySelector('.picture');
    if (largest && tile) picture.href = fresh(largest); else picture.removeAttribute('href');
    card.querySelector('.links').replaceChildren(...[
      link(doc.source.url, 'original', doc.source.width ? `${doc.source.width}×${doc.source.height}` : ''),
      ...doc.outputs.map((o) => link(fresh(o), o.name, `${o.width}×${o.height} ${o.format}, ${bytes(o.bytes)}`)),
    ].flatMap((a) => [a, ' ']));
    card.querySelector('.actions').hidden = false;
    for (const b of card.querySelectorAll('.actions button')) b.disabled = false;
  }

  // uploading shows a file that is on its way to S3.
  uploading(id, name, preview) {
    const card = this.card(id);
    card.uploading = true;
    card.dataset.status = 'uploading';
    this.head(card, name, labels.uploading, '');
    const progress = card.querySelector('.progress');
    progress.hidden = false;
    progress.setAttribute('aria-label', `Upload of ${name}`);
    this.why(card, '');
    card.querySelector('.actions').hidden = true;
    card.preview = preview;
    this.picture(card, preview, '');
    this.settle();
    return {
      progress: (part) => {
        progress.value = Math.round(part * 100);
        card.querySelector('.detail').textContent = `${progress.value} %`;
      },
      failed: (message, again) => {
        progress.hidden = true;
        card.dataset.status = 'failed';
        this.head(card, name, 'not uploaded', '');
        this.why(card, message);
        const button = document.createElement('button');
        button.type = 'button';
        button.textContent = 'Try again';
        button.addEventListener('click', () => {
          card.preview = undefined; // goes on to the next try
          this.drop(id);
          this.settle();
          again();
        });
        const away = document.createElement('button');
        away.type = 'button';
        away.textContent = 'Dismiss';
        away.addEventListener('click', () => { this.drop(id); this.settle(); });
        const actions = card.querySelector('.actions');
        actions.replaceChildren(button, ' ', away);
        actions.hidden = false;
        this.announce(`${name}: ${message}`);
      },
    };
  }

  // uploaded: the file is in S3; it waits, unless its result was faster than we are.
  uploaded(id, doc) {
    if (!this.docs.has(id)) this.put(doc);
  }

  head(card, name, label, text) {
    const title = card.querySelector('.name');
    title.textContent = name;
    title.title = name;
    card.querySelector('.badge').textContent = label;
    card.querySelector('.detail').textContent = text;
  }

  why(card, text) {
    const why = card.querySelector('.why');
    why.textContent = text;
    why.hidden = !text;
  }

  picture(card, src, alt) {
    const img = card.querySelector('.thumb');
    img.alt = alt;
    if (src && img.getAttribute('src') !== src) img.src = src;
    if (!src) img.removeAttribute('src');
    img.hidden = !src;
    card.querySelector('.blank').hidden = Boolean(src);
  }

  async act(card, button, what) {
    const id = card.dataset.id;
    if (what === 'delete' && !button.dataset.sure) {
      button.dataset.sure = 'yes';
      button.textContent = 'Really delete?';
      setTimeout(() => { delete button.dataset.sure; button.textContent = 'Delete'; }, 4000);
      return;
    }
    button.disabled = true;
    try {
      if (what === 'delete') {
        await api.remove(id);
        const near = card.nextElementSibling ?? card.previousElementSibling;
        this.drop(id);
        this.settle();
        near?.focus(); // the button that had the focus is gone
      } else {
        await api.retry(id, this.job());
      }
    } catch (error) {
      this.why(card, error.message);
      this.announce(error.message);
    } finally {
      button.disabled = false;
    }
  }
}

function detail(doc) {
  const params = Object.entries(doc.params ?? {});
  const parts = [
    doc.recipe,
    ...params.filter(([, v]) => typeof v === 'string').map(([, v]) => v), // colours and words speak for themselves
    ...params.filter(([, v]) => v === true || (typeof v === 'number' && v !== 1)).map(([name, v]) => (v === true ? name : `${name} ${v}`)),
  ].filter(Boolean);
  if (doc.status === 'done' && doc.timings?.totalMs) parts.push(`in ${(doc.timings.totalMs / 1000).toFixed(1)} s`);
  return parts.join(' · ');
}

function link(href, text, title) {
  const a = document.createElement('a');
  a.href = href;
  a.textContent = text;
  a.title = title;
  return a;
}
