// What is known of an image: its way through the pipeline, its files, what a page needs to
// show it, and the record itself.

import * as api from '../lib/api.js';
import { foreign, h, setText } from '../lib/dom.js';
import { alarm, announce } from '../lib/announce.js';
import { bytes, duration, when } from '../lib/format.js';
import { fresh, labels, original } from '../lib/words.js';

export function details(root, doc, history) {
  const wasOpen = root.querySelector('details.record')?.open;
  const focus = root.contains(document.activeElement) ? document.activeElement.id : '';
  root.replaceChildren(way(doc, history), files(doc), embed(doc), record(doc, wasOpen));
  if (focus) root.querySelector(`#${CSS.escape(focus)}`)?.focus();
}

// way is the image's way with the time that each step took.
function way(doc, history) {
  const t = doc.timings;
  const section = h('section', { class: 'way', 'aria-labelledby': 'way-title' }, h('h2', { id: 'way-title', text: 'Its way' }));
  const list = h('ol', { class: 'steps-list' });
  section.append(list);
  const step = (name, at, ms, status, note) => {
    let bar = null;
    if (t && Number.isFinite(ms)) {
      bar = h('span', { class: 'bar', 'aria-hidden': 'true' });
      bar.style.setProperty('--from', `${Math.min(100, (at / Math.max(1, t.totalMs)) * 100)}%`);
      bar.style.setProperty('--size', `${Math.min(100, (ms / Math.max(1, t.totalMs)) * 100)}%`);
    }
    list.append(h('li', { data: { status } }, h('span', { class: 'step-name', text: name }),
      h('span', { class: 'step-time number', text: note ?? (Number.isFinite(ms) ? duration(ms) : '') }), bar));
  };
  if (!t) {
    const at = doc.source.modified;
    step('Uploaded', 0, NaN, 'done', at ? when(at) : '');
    step('Waiting for a worker', 0, NaN, doc.status === 'queued' ? 'now' : 'done');
    if (doc.status === 'processing') step(`In work${doc.processing?.attempt > 1 ? `, attempt ${doc.processing.attempt}` : ''}`, 0, NaN, 'now', doc.processing?.since ? `since ${when(doc.processing.since)}` : '');
  } else {
    let at = 0;
    step('Uploaded', 0, NaN, 'done', when(t.uploaded));
    for (const [name, ms] of [['Waited in the queue', t.waitMs], ['Fetched from S3', t.fetchMs], ['Processed', t.processMs], ['Stored', t.storeMs]]) {
      if (doc.status === 'failed' && ms === 0) continue; // it did not come so far
      step(name, at, ms, 'done');
      at += ms;
    }
    step(doc.status === 'failed' ? 'Failed' : 'Finished', t.totalMs, NaN, doc.status, `${duration(t.totalMs)} in all`);
    const attempts = doc.attempts > 1 ? `It took ${doc.attempts} attempts. ` : '';
    section.append(h('p', { class: 'small', text: `${attempts}Finished ${when(t.finished)}.` }));
  }
  if (history.length > 1) {
    section.append(h('details', {}, h('summary', { text: 'Seen on this page' }),
      h('ul', { class: 'small number' }, history.map((e, i) => h('li', {
        text: `${new Date(e.at).toLocaleTimeString()} ${labels[e.status] ?? e.status}${i > 0 ? ` (+${duration(e.at - history[i - 1].at)})` : ''}`,
      })))));
  }
  return section;
}

const download = (url) => `${url}${url.includes('?') ? '&' : '?'}download`;

function files(doc) {
  const row = (name, url, facts, swatch) => h('tr', {},
    h('th', { scope: 'row' }, h('a', { href: url, target: '_blank', rel: 'noopener', text: name })),
    h('td', { class: 'number' }, swatch, ` ${facts}`),
    h('td', {}, h('a', { class: 'button compact', href: download(url), download: true, 'aria-label': `Download ${name}`, text: 'Download' })));
  const s = doc.source;
  const rows = [row('original', original(doc), [s.width && `${s.width}×${s.height}`, s.format, bytes(s.bytes)].filter(Boolean).join(' · '))];
  for (const o of doc.outputs) {
    let swatch = null;
    if (/^#[0-9a-f]{6}$/.test(o.dominantColor ?? '')) {
      swatch = h('span', { class: 'dot', title: `mostly ${o.dominantColor}` });
      swatch.style.background = o.dominantColor;
    }
    rows.push(row(o.name, fresh(o), `${o.width}×${o.height} · ${o.format} · ${bytes(o.bytes)}${o.overTarget ? ' · over its target' : ''}`, swatch));
  }
  return h('section', { 'aria-labelledby': 'files-title' }, h('h2', { id: 'files-title', text: 'Files' }),
    h('table', { class: 'files' }, h('thead', { class: 'unseen' }, h('tr', {}, ...['File', 'Size', 'Download'].map((t) => h('th', { scope: 'col', text: t })))), h('tbody', {}, rows)));
}

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const absolute = (path) => new URL(path, location.href).href;
const absoluteSet = (set) => set.split(', ').map((part) => absolute(part.slice(0, part.lastIndexOf(' '))) + part.slice(part.lastIndexOf(' '))).join(', ');

// markup is what a page needs to show the image: the modern formats first, and one for all.
export function markup(doc) {
  const sets = Object.entries(doc.srcsets ?? {});
  const last = doc.outputs.filter((o) => ['jpeg', 'png', 'gif'].includes(o.format)).sort((a, b) => b.width - a.width)[0] ?? doc.outputs[0];
  if (!last) return '';
  const own = sets.find(([type]) => type === `image/${last.format}`);
  const img = `<img src="${escape(absolute(last.url))}"${own ? ` srcset="${escape(absoluteSet(own[1]))}" sizes="100vw"` : ''} width="${last.width}" height="${last.height}" alt="" loading="lazy">`;
  const better = sets.filter(([type]) => type !== `image/${last.format}`).sort(([a], [b]) => a.localeCompare(b));
  if (better.length === 0) return img;
  return `<picture>\n${better.map(([type, set]) => `  <source type="${escape(type)}" srcset="${escape(absoluteSet(set))}" sizes="100vw">\n`).join('')}  ${img}\n</picture>`;
}

function embed(doc) {
  if (doc.outputs.length === 0) return '';
  const block = (id, name, text) => h('div', { class: 'copy' },
    h('div', { class: 'row spread' }, h('h3', { text: name }), h('button', { type: 'button', class: 'compact', id, text: 'Copy', onclick: (e) => copy(text, e.currentTarget) })),
    h('pre', { tabindex: 0, 'aria-label': name, text }));
  return h('section', { 'aria-labelledby': 'embed-title' }, h('h2', { id: 'embed-title', text: 'In a page of yours' }),
    block('copy-markup', 'HTML', markup(doc)),
    block('copy-urls', 'Addresses', doc.outputs.map((o) => absolute(o.url)).join('\n')));
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https browsers give no access to the clipboard: the older way, or the hand.
    const pre = button.closest('.copy').querySelector('pre');
    getSelection().selectAllChildren(pre);
    if (!document.execCommand('copy')) { alarm('It is selected: copy it with Ctrl+C.'); return; }
    getSelection().removeAllRanges();
  }
  setText(button, 'Copied');
  announce('Copied.');
  setTimeout(() => setText(button, 'Copy'), 2000);
}

function record(doc, open) {
  const pre = h('pre', { tabindex: 0, 'aria-label': 'Manifest' });
  const box = h('details', { class: 'record', open: Boolean(open) }, h('summary', { text: 'Manifest' }), pre);
  const fill = async () => {
    if (pre.textContent) return;
    try {
      setText(pre, JSON.stringify(doc.timings ? await api.manifest(doc.id) : doc, null, 2));
    } catch (error) {
      setText(pre, error.message);
    }
  };
  box.addEventListener('toggle', () => { if (box.open) fill(); });
  if (open) fill();
  return h('section', { 'aria-label': 'The record' }, h('p', { class: 'small' }, 'Key: ', foreign('code', doc.key)), box);
}
