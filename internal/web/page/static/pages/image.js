// The page of one image: before and after, its files, its way through the pipeline, and what
// can be done with it.

import * as api from '../lib/api.js';
import * as live from '../lib/live.js';
import { images } from '../lib/collection.js';
import { Compare } from '../lib/compare.js';
import { $, foreign, h, setText } from '../lib/dom.js';
import { announce } from '../lib/announce.js';
import { explain, finished, label, pageOf, showJob } from '../lib/words.js';
import { details } from '../image/details.js';
import { askAgain, askDelete } from '../image/dialogs.js';
import { viewer } from '../image/viewer.js';

export function mount(main, { signal, go }) {
  const root = $('#image');
  const { id } = root.dataset;
  const compare = new Compare($('#viewer'), { signal, before: 'Original', after: 'Result' });
  const view = viewer(compare, signal);
  const history = []; // {at, status}: what happened while this page was open
  let doc = null;

  function show(next) {
    if (doc && finished(doc) && finished(next) && finished(next) < finished(doc)) return;
    if (doc?.status !== next.status || finished(doc) !== finished(next)) {
      history.push({ at: Date.now(), status: next.status, attempt: next.processing?.attempt });
      if (doc) announce(`${next.name}: ${label(next)}.`);
    }
    doc = next;
    root.dataset.status = doc.status;
    const badge = $('#state .badge');
    badge.dataset.status = doc.status;
    setText(badge, label(doc));
    showJob($('#state .detail'), doc);
    failure(doc.error);
    view(doc);
    details($('#details'), doc, history);
  }

  function failure(error) {
    const why = $('#why');
    why.hidden = !error;
    if (!error) return;
    const e = explain(error);
    why.replaceChildren(
      h('p', {}, h('strong', { text: e.title })),
      e.message ? foreign('p', e.message) : '',
      e.hint ? h('p', { text: e.hint }) : '',
      h('p', { class: 'small' }, 'Code: ', h('code', { text: e.code })),
    );
  }

  async function load() {
    try {
      show(await api.image(id, signal));
    } catch (error) {
      if (error.name === 'AbortError') return;
      failure({ message: error.message, code: error.code || 'unreachable' });
      if (error.passing) setTimeout(() => { if (!signal.aborted) load(); }, 5000);
    }
  }

  live.on('image', (next) => { if (next.id === id) show(next); }, signal);
  live.on('deleted', (gone) => { if (gone === id) go('/', { push: true }); }, signal);
  live.on('reload', load, signal);
  const chase = setInterval(() => { if (doc && !finished(doc) && !document.hidden) load(); }, 15000);
  signal.addEventListener('abort', () => clearInterval(chase));
  load();

  askAgain(id, () => doc, signal);
  askDelete(id, () => go('/'), signal);
  neighbours(id, signal, go);
}

// neighbours leads to the images before and after in the gallery, where they are known.
function neighbours(id, signal, go) {
  const i = images.items.findIndex((item) => item.id === id);
  const link = (el, item) => {
    el.hidden = !item;
    if (item) { el.href = pageOf(item.id); el.title = item.name; }
  };
  if (i >= 0) {
    link($('#newer'), images.items[i - 1]);
    link($('#older'), images.items[i + 1]);
  }
  addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches?.('input, select, textarea') || $('dialog[open]')) return;
    const to = { k: '#newer', j: '#older', Escape: '#back' }[e.key];
    const a = to && $(to);
    if (a && !a.hidden) { e.preventDefault(); go(a.href); }
  }, { signal });
}
