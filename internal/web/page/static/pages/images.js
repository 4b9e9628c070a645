// The page of images: upload and gallery.

import * as api from '../lib/api.js';
import * as live from '../lib/live.js';
import { Controls } from '../controls.js';
import { Gallery } from '../gallery.js';

export function mount(main, { signal }) {
const atOnce = 3; // uploads side by side
const root = document.documentElement;
const form = document.querySelector('#upload');
const input = document.querySelector('#files');
const staged = document.querySelector('#staged');
const go = document.querySelector('#go');
const message = document.querySelector('#message');

input.multiple = true;
input.required = false; // files may be dropped instead

const announce = (text) => { document.querySelector('#announce').textContent = text; };
const complain = (text) => { message.textContent = text; message.hidden = !text; };

let files = []; // {file, url}: chosen, not sent yet

const controls = new Controls(form, (job) => {
  const colour = job.recipe === 'tint' ? job.params.tint : 'transparent';
  staged.style.setProperty('--tint', colour);
  staged.style.setProperty('--strength', job.params.strength ?? 1);
  staged.dataset.recipe = job.recipe;
});
const gallery = new Gallery({ job: () => controls.job(), announce });

function show() {
  staged.hidden = files.length === 0;
  go.textContent = files.length > 1 ? `Upload ${files.length} images` : 'Upload';
  go.disabled = files.length === 0;
  staged.replaceChildren(...files.map((entry) => {
    const item = document.createElement('li');
    const frame = document.createElement('div');
    frame.className = 'frame';
    const img = document.createElement('img');
    img.alt = '';
    img.src = entry.url;
    img.addEventListener('error', () => { img.hidden = true; }); // a format this browser does not show
    const wash = document.createElement('span');
    wash.className = 'wash';
    frame.append(img, wash);
    const name = document.createElement('div');
    name.className = 'filename';
    name.dir = 'auto';
    name.textContent = name.title = entry.file.name;
    const off = document.createElement('button');
    off.type = 'button';
    off.textContent = '×';
    off.setAttribute('aria-label', `Leave out ${entry.file.name}`);
    off.addEventListener('click', () => {
      URL.revokeObjectURL(entry.url);
      files = files.filter((other) => other !== entry);
      show();
      (staged.querySelector('button') ?? input).focus();
    });
    item.append(frame, name, off);
    return item;
  }));
}

function stage(chosen) {
  complain('');
  for (const file of chosen) files.push({ file, url: URL.createObjectURL(file) });
  if (chosen.length > 0) announce(`${files.length} chosen.`);
  show();
}

function take() {
  stage([...input.files]);
  input.value = ''; // so that the same file can be chosen again
}
input.addEventListener('change', take);
if (input.files.length > 0) take(); // chosen before this ran, or kept through a reload

// Files may be dropped anywhere: missing the zone by a little must not leave the page.
const carriesFiles = (e) => e.dataTransfer && [...e.dataTransfer.types].includes('Files');
let inside = 0;
addEventListener('dragenter', (e) => { if (carriesFiles(e)) { inside += 1; root.classList.add('dragging'); } });
addEventListener('dragleave', (e) => { if (carriesFiles(e) && --inside <= 0) { inside = 0; root.classList.remove('dragging'); } });
addEventListener('dragover', (e) => { if (carriesFiles(e)) e.preventDefault(); });
addEventListener('drop', (e) => {
  if (!carriesFiles(e)) return;
  e.preventDefault();
  inside = 0;
  root.classList.remove('dragging');
  stage([...e.dataTransfer.files]);
});

async function upload(entry, job) {
  const { file, url } = entry;
  let form;
  try {
    form = await api.startUpload(file, job);
  } catch (error) {
    complain(`${file.name}: ${error.message}`);
    URL.revokeObjectURL(url);
    return;
  }
  const shown = gallery.uploading(form.id, file.name, url);
  try {
    await api.send(form, file, shown.progress);
  } catch (error) {
    shown.failed(error.message, () => queue([entry], job));
    return;
  }
  gallery.uploaded(form.id, {
    id: form.id, key: form.key, name: form.key.slice(form.key.lastIndexOf('/') + 1), status: 'queued', recipe: job.recipe, params: job.params,
    source: { bytes: file.size, url: `/api/images/${form.id}/original` }, outputs: [], attempts: 0,
  });
}

const waiting = [];
let running = 0;

function queue(entries, job) {
  waiting.push(...entries.map((entry) => () => upload(entry, job)));
  while (running < atOnce && waiting.length > 0) work();
}

async function work() {
  running += 1;
  while (waiting.length > 0) await waiting.shift()();
  running -= 1;
}

form.addEventListener('submit', (e) => {
  e.preventDefault();
  complain('');
  const entries = files;
  files = [];
  show();
  queue(entries, controls.job());
});

show();
gallery.settle();
live.on('image', (doc) => gallery.onImage(doc), signal);
live.on('deleted', (id) => gallery.onDeleted(id), signal);
live.on('reload', () => gallery.reload(), signal);
}
