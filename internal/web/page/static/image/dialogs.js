// The questions that an image's page asks: with which recipe again, and whether to delete.

import * as api from '../lib/api.js';
import { Controls } from '../lib/controls.js';
import { $, setText } from '../lib/dom.js';
import { announce } from '../lib/announce.js';
import { Tone } from '../lib/tone.js';
import { original } from '../lib/words.js';

// ask lets a dialog's button do something; the dialog stays where that fails, and says why.
function ask(name, act, done, signal) {
  const dialog = $(`#${name}-dialog`);
  const go = $(`#${name}-go`);
  const message = $(`#${name}-message`);
  dialog.querySelector('form').addEventListener('submit', async (e) => {
    if (e.submitter !== go) return;
    e.preventDefault();
    const text = go.textContent;
    go.disabled = true;
    setText(go, 'Working…'); // coupled, the answer is the result: it takes its time
    message.hidden = true;
    try {
      await act();
      dialog.close();
      done();
    } catch (error) {
      setText(message, error.message);
      message.hidden = false;
    } finally {
      go.disabled = false;
      setText(go, text);
    }
  }, { signal });
  // A press beside the dialog leaves it.
  dialog.addEventListener('click', (e) => { if (e.target === dialog) dialog.close(); }, { signal });
  signal.addEventListener('abort', () => { if (dialog.open) dialog.close(); });
  return () => { message.hidden = true; dialog.showModal(); };
}

export function askAgain(id, doc, signal) {
  const tone = new Tone('tone-again');
  const preview = $('#again-preview');
  const picture = preview.querySelector('img');
  preview.append(tone.root);
  let recipes = new Map();
  const controls = new Controls($('#again-dialog form'), (job) => {
    tone.apply(recipes.get(job.recipe), job.params);
    tone.use(picture);
  }, signal);
  picture.addEventListener('load', () => { preview.hidden = false; }, { signal });
  picture.addEventListener('error', () => { preview.hidden = true; }, { signal }); // a format that this browser does not show
  const open = ask('again', () => api.retry(id, controls.job()), () => announce('Sent through again.'), signal);
  $('#again').addEventListener('click', () => {
    if (doc()) {
      controls.choose(doc());
      const src = original(doc());
      if (picture.getAttribute('src') !== src) picture.src = src;
    }
    api.config().then((c) => {
      recipes = new Map(c.recipes.map((r) => [r.name, r]));
      controls.update();
    }).catch(() => { /* no foretaste, then */ });
    open();
  }, { signal });
}

export function askDelete(id, gone, signal) {
  const open = ask('delete', async () => {
    try { await api.remove(id); } catch (error) { if (error.status !== 404) throw error; }
  }, gone, signal);
  $('#delete').addEventListener('click', open, { signal });
}
