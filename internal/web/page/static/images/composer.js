// Choosing what is uploaded and what becomes of it, with a foretaste of it before anything is
// sent.

import * as api from '../lib/api.js';
import { Controls } from '../lib/controls.js';
import { Compare } from '../lib/compare.js';
import { Grid, arrows } from '../lib/grid.js';
import { Tone } from '../lib/tone.js';
import { uploads } from '../lib/uploads.js';
import { draw, fault } from '../lib/files.js';
import { $, foreign, h, setText } from '../lib/dom.js';
import { alarm, announce } from '../lib/announce.js';
import { bytes, plural } from '../lib/format.js';

// What is chosen outlives the page, as uploads do.
let staged = []; // {n, file}
let refused = []; // {name, why}
let serial = 0;
let chosenJob = null;

const identity = (file) => `${file.name}\n${file.size}\n${file.lastModified}`;

// stage takes files that were chosen, dropped or pasted, and leaves out what cannot be sent.
export async function stage(files) {
  if (files.length === 0) return;
  const form = $('#upload');
  const limit = Number(form?.dataset.limit ?? Infinity);
  const text = form?.dataset.limitText ?? '';
  const known = new Set(staged.map((e) => identity(e.file)));
  refused = [];
  const faults = await pool(files, 16, (file) => fault(file, limit, text));
  let added = 0;
  for (const [i, file] of files.entries()) {
    const why = faults[i] || (known.has(identity(file)) ? 'was chosen twice' : '');
    if (why) { refused.push({ name: file.name, why }); continue; }
    known.add(identity(file));
    staged.push({ n: ++serial, file });
    added += 1;
  }
  if (added > 0) announce(`${plural(staged.length, 'image')} chosen.`);
  if (refused.length > 0) alarm(`${plural(refused.length, 'file')} left out: ${refused.slice(0, 3).map((r) => `${r.name} ${r.why}`).join(', ')}`);
  changed.dispatchEvent(new Event('change'));
}

const changed = new EventTarget();

// pool maps items with a bound on how many are under way.
async function pool(items, bound, f) {
  const out = [];
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const i = next++;
      out[i] = await f(items[i]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(bound, items.length) }, work));
  return out;
}

export function composer({ signal }) {
  const form = $('#upload');
  const input = $('#files');
  const list = $('#staged');
  const go = $('#go');
  const tone = new Tone('tone-composer');
  form.append(tone.root);
  input.multiple = true;
  input.required = false; // files may be dropped instead

  const compare = new Compare($('#preview'), { signal, zoom: false, before: 'Original', after: 'Result' });
  let shown = null; // the entry in the preview
  let url = '';
  let recipes = new Map();

  const toned = () => {
    for (const el of list.querySelectorAll('canvas')) tone.use(el);
    if (compare.after) tone.use(compare.after);
    compare.enable(tone.on);
  };
  const controls = new Controls(form, (job) => {
    chosenJob = job;
    tone.apply(recipes.get(job.recipe), job.params);
    toned();
  }, signal);
  if (chosenJob) controls.choose(chosenJob);
  api.config().then((c) => {
    recipes = new Map(c.recipes.map((r) => [r.name, r]));
    controls.update();
  }).catch(() => { /* no foretaste, then */ });

  const grid = new Grid(list, {
    id: (e) => e.n,
    make: (entry) => h('li', {},
      h('button', { type: 'button', class: 'look', onclick: () => look(entry) },
        h('span', { class: 'format', 'aria-hidden': 'true', text: /\.(\w{1,5})$/.exec(entry.file.name)?.[1] ?? '' }), h('canvas', { width: 1, height: 1, 'aria-hidden': 'true', hidden: true })),
      foreign('span', entry.file.name, { class: 'filename', title: entry.file.name }),
      h('button', { type: 'button', class: 'off', 'aria-label': `Leave out ${entry.file.name}`, text: '×', onclick: () => leaveOut(entry) })),
    update: (el, entry) => {
      const button = el.querySelector('.look');
      button.setAttribute('aria-label', `Show ${entry.file.name}, ${bytes(entry.file.size)}`);
      button.setAttribute('aria-pressed', String(entry === shown));
      const canvas = el.querySelector('canvas');
      if (canvas.file !== entry.file) draw(entry.file, canvas).then((ok) => { if (ok) tone.use(canvas); });
    },
    scroller: $('#staged-box'),
    signal,
  });
  arrows(grid, '.look', signal);

  function leaveOut(entry) {
    const i = staged.indexOf(entry);
    staged = staged.filter((e) => e !== entry);
    show();
    grid.draw();
    const near = staged[Math.min(i, staged.length - 1)];
    (near ? grid.reveal(staged.indexOf(near))?.querySelector('.off') : input)?.focus();
  }

  // look shows one of the chosen large, as it is and as it will be.
  function look(entry) {
    shown = entry;
    if (url) URL.revokeObjectURL(url);
    url = entry ? URL.createObjectURL(entry.file) : '';
    compare.show(entry && { before: url, after: url, alt: entry.file.name });
    toned();
    grid.show(staged);
  }
  signal.addEventListener('abort', () => { if (url) URL.revokeObjectURL(url); });

  function show() {
    const many = staged.length;
    form.classList.toggle('has-files', many > 0);
    $('#staged-box').hidden = many === 0;
    go.disabled = many === 0;
    setText(go, many > 1 ? `Upload ${many.toLocaleString('en')} images` : 'Upload');
    $('#clear').hidden = many < 2;
    $('#preview').hidden = many === 0;
    grid.show(staged);
    if (!staged.includes(shown)) look(staged[0] ?? null);
    const note = $('#refused');
    note.hidden = refused.length === 0;
    note.replaceChildren(
      h('p', { text: `${plural(refused.length, 'file')} left out:` }),
      h('ul', {}, refused.slice(0, 5).map((r) => h('li', {}, foreign('b', r.name), ` ${r.why}`))),
      refused.length > 5 ? h('p', { text: `and ${refused.length - 5} more.` }) : '',
    );
  }

  const take = (field) => {
    const files = [...field.files];
    field.value = ''; // so that the same file can be chosen again
    stage(files);
  };
  input.addEventListener('change', () => take(input), { signal });
  $('#camera').addEventListener('change', (e) => take(e.target), { signal });
  if (input.files.length > 0) take(input); // chosen before this ran, or kept through a reload
  $('#clear').addEventListener('click', () => { staged = []; refused = []; show(); input.focus(); }, { signal });
  changed.addEventListener('change', show, { signal });

  form.addEventListener('submit', (e) => {
    e.preventDefault();
    if (staged.length === 0) return;
    uploads.add(staged.map((entry) => entry.file), controls.job());
    announce(`Uploading ${plural(staged.length, 'image')}.`);
    staged = [];
    refused = [];
    show();
    input.focus({ preventScroll: true });
  }, { signal });
  show();
}
