// The processes of the app tier, and what each has in work. Host names, keys and reasons come
// from elsewhere: they go in as text.

import { $, h, foreign, setText } from '../lib/dom.js';
import { count, many, rate, time } from './words.js';

const shown = 12; // images of a process that are named

// stateOf is what a process is at: a word for the style, and words for people.
export function stateOf(app, now) {
  if (app.stale) return ['stale', `not heard of for ${time((now - Date.parse(app.seen)) / 1000)}`];
  if (app.draining) return ['draining', 'stopping: finishes what it has begun'];
  if (!app.ready) return ['unready', app.reason ? `not ready: ${app.reason}` : 'not ready'];
  return ['ready', app.inWork?.length ? 'at work' : 'ready'];
}

const base = (key) => key.split('/').at(-1) || key;

const put = (root, selector, text) => setText($(selector, root), text);

export class Apps {
  constructor(root) {
    this.root = root;
    this.list = root.querySelector('#app-list');
    this.none = root.querySelector('#no-apps');
    this.template = root.querySelector('#app');
    this.items = new Map([...this.list.children].map((li) => [li.dataset.id, li]));
  }

  show(apps, now) {
    this.none.hidden = !apps || apps.length > 0;
    const here = new Set();
    for (const app of apps ?? []) {
      here.add(app.id);
      this.one(this.item(app.id), app, now);
    }
    for (const [id, li] of this.items) {
      if (here.has(id)) continue;
      li.remove();
      this.items.delete(id);
    }
  }

  item(id) {
    let li = this.items.get(id);
    if (!li) {
      li = this.template.content.firstElementChild.cloneNode(true);
      li.dataset.id = id;
      this.items.set(id, li);
      this.list.append(li);
    }
    return li;
  }

  one(li, app, now) {
    const [state, words] = stateOf(app, now);
    if (li.dataset.state !== state) li.dataset.state = state;
    put(li, '.host', app.host || 'unknown host');
    put(li, '.pid', `process ${app.pid}`);
    put(li, '.app-state', words);
    put(li, '.program', [app.program, `started ${time((now - Date.parse(app.started)) / 1000)} ago`].filter(Boolean).join(' · '));
    put(li, '.app-figures', [
      many(app.workers, 'worker'), `holds ${count(app.held)} of ${count(app.slots)}`, `${count(app.done)} done`,
      `${count(app.failed)} failed`, `takes ${rate(app.receivedPerMinute)} / min`,
    ].join(' · '));
    this.work(li.querySelector('.in-work'), app.inWork ?? [], now);
  }

  work(list, inWork, now) {
    const before = new Map([...list.children].filter((li) => li.dataset.id).map((li) => [li.dataset.id, li]));
    const more = inWork.length - shown;
    const items = inWork.slice(0, shown).map((w) => {
      const li = before.get(w.id) ?? link(w);
      before.delete(w.id);
      put(li, 'small', [w.attempt > 1 ? `attempt ${w.attempt}` : '', time((now - Date.parse(w.since)) / 1000)].filter(Boolean).join(', '));
      return li;
    });
    for (const li of before.values()) li.remove();
    list.querySelector('.more')?.remove();
    for (const li of items) if (!li.isConnected) list.append(li);
    if (more > 0) {
      list.append(h('li', { class: 'more', text: `and ${count(more)} more` }));
    }
    list.hidden = inWork.length === 0;
  }
}

function link(w) {
  const name = base(w.key);
  return h('li', { data: { id: w.id } }, foreign('a', name, { href: `/images/${encodeURIComponent(w.id)}`, title: name }), ' ', h('small'));
}
