// The panel of uploads at the foot of every page: how far all of it is, and each file.

import { uploads, open } from './uploads.js';
import { afterSending, coupled, notDone } from './transfer.js';
import { Grid } from './grid.js';
import { h, foreign, setText } from './dom.js';
import { bytes, duration, plural } from './format.js';
import { label, pageOf } from './words.js';

const words = { waiting: 'in line', sending: 'uploading', sent: afterSending, uploaded: 'uploaded', failed: notDone, cancelled: 'stopped' };

// standing is an entry's state for people, and for the colours.
function standing(entry) {
  if (entry.doc) return [entry.doc.status, label(entry.doc)];
  if (entry.state === 'sending') return ['uploading', `${Math.floor((entry.loaded / Math.max(1, entry.file.size)) * 100)} %`];
  if (entry.state === 'waiting' && entry.tries > 0) return ['queued', 'tries again'];
  const looks = { waiting: '', sent: 'processing', uploaded: 'queued', failed: 'failed', cancelled: '' };
  return [looks[entry.state], words[entry.state]];
}

function row() {
  return h('li', { class: 'file' },
    h('div', { class: 'file-name' }, foreign('a', '', { class: 'name' })),
    h('span', { class: 'badge' }),
    h('progress', { max: 100, value: 0 }),
    h('button', { type: 'button', class: 'quiet icon act' }),
    h('p', { class: 'why', hidden: true }));
}

function fill(el, entry) {
  const { name } = entry.file;
  const link = el.querySelector('.name');
  setText(link, name);
  link.title = name;
  if (entry.image && !open.has(entry.state)) link.href = pageOf(entry.image); else link.removeAttribute('href');
  const [status, text] = standing(entry);
  const badge = el.querySelector('.badge');
  badge.dataset.status = status;
  setText(badge, text);
  const progress = el.querySelector('progress');
  progress.hidden = !open.has(entry.state);
  progress.setAttribute('aria-label', `Upload of ${name}`);
  if (entry.state === 'sent') progress.removeAttribute('value'); else progress.value = (entry.loaded / Math.max(1, entry.file.size)) * 100;
  const act = el.querySelector('.act');
  const retry = entry.state === 'failed' || entry.state === 'cancelled';
  act.hidden = !retry && !open.has(entry.state);
  act.disabled = act.hidden;
  setText(act, retry ? '↻' : '×');
  act.title = retry ? 'Try again' : 'Stop';
  act.setAttribute('aria-label', `${retry ? 'Try again' : 'Stop'}: ${name}`);
  act.onclick = () => (retry ? uploads.retry(entry) : uploads.cancel(entry));
  const why = el.querySelector('.why');
  const text2 = entry.state === 'failed' || entry.tries > 0 ? entry.error?.message ?? '' : entry.doc?.error?.message ?? '';
  setText(why, text2);
  why.title = text2;
  why.hidden = !text2;
}

export function tray(root) {
  const title = h('h2', { class: 'tray-title' });
  const figures = h('p', { class: 'tray-figures number' });
  const total = h('progress', { max: 100, value: 0, 'aria-label': 'All uploads' });
  const stop = h('button', { type: 'button', class: 'compact', text: 'Stop all', onclick: () => uploads.cancelAll() });
  const again = h('button', { type: 'button', class: 'compact', text: 'Try again', onclick: () => uploads.retryAll() });
  const list = h('ul', { class: 'tray-files', id: 'tray-files', tabindex: -1, 'aria-label': 'Files' });
  const box = h('div', { class: 'tray-box', hidden: true }, list);
  const more = h('button', { type: 'button', class: 'quiet compact', 'aria-expanded': 'false', 'aria-controls': 'tray-files', onclick: () => unfold(box.hidden) }, 'Files');
  const close = h('button', { type: 'button', class: 'quiet icon', 'aria-label': 'Close the panel of uploads', text: '×', onclick: () => dismiss() });
  const trouble = h('p', { class: 'tray-why', hidden: true });
  root.append(h('div', { class: 'tray-head' }, title, more, close), total, trouble, h('div', { class: 'tray-foot' }, figures, stop, again), box);
  const grid = new Grid(list, { id: (e) => e.n, make: row, update: fill, scroller: box, signal: new AbortController().signal });

  function unfold(show) {
    box.hidden = !show;
    more.setAttribute('aria-expanded', String(show));
    if (show) grid.show(uploads.entries);
  }

  let troubled = 0;
  function show() {
    const t = uploads.totals();
    root.hidden = t.files === 0;
    document.documentElement.classList.toggle('tray-open', t.files > 0);
    if (t.files === 0) return;
    const all = t.files - t.cancelled;
    setText(title, t.open > 0 ? `Uploading ${Math.min(t.uploaded + 1, all).toLocaleString('en')} of ${all.toLocaleString('en')}`
      : t.failed > 0 ? `${plural(t.failed, 'file')} ${notDone}` : `${plural(t.uploaded, 'image')} ${coupled ? 'processed' : 'uploaded'}`);
    total.value = t.bytes ? (t.loaded / t.bytes) * 100 : 100;
    total.hidden = t.open === 0;
    const parts = t.open > 0
      ? [`${bytes(t.loaded)} of ${bytes(t.bytes)}`, t.rate && `${bytes(t.rate)}/s`, t.left && `${duration(Math.max(1, Math.round(t.left)) * 1000).replace('.0', '')} left`]
      : [t.uploaded > 0 && `${t.done} of ${t.uploaded} finished`, t.cancelled > 0 && `${t.cancelled} stopped`, t.failed > 0 && `${t.failed} failed`];
    setText(figures, parts.filter(Boolean).join(' · '));
    stop.hidden = t.open === 0;
    again.hidden = t.failed + t.cancelled === 0 || t.open > 0;
    close.hidden = t.open > 0;
    // One failure in full; the list has the others.
    const failed = t.failed > 0 ? uploads.entries.findLast((e) => e.state === 'failed') : null;
    trouble.hidden = !failed;
    if (failed) trouble.replaceChildren(foreign('b', failed.file.name), `: ${failed.error.message}`);
    if (t.failed > troubled && box.hidden) unfold(true); // so that the reason is seen
    troubled = t.failed;
    if (!box.hidden) grid.show(uploads.entries);
    // What went well needs nobody: it goes by itself, unless it is being looked at.
    clearTimeout(leaving);
    if (t.open + t.failed + t.cancelled === 0 && t.done === t.uploaded) leaving = setTimeout(leave, 8000);
  }
  let leaving = 0;
  function leave() {
    if (!box.hidden || root.matches(':hover, :focus-within')) { leaving = setTimeout(leave, 8000); return; }
    dismiss();
  }
  function dismiss() {
    root.hidden = true;
    uploads.entries = [];
    uploads.forget();
  }
  uploads.addEventListener('change', show);
}
