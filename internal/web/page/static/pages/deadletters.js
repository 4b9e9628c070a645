// The page of dead letters: look, understand, send back or drop.

import { announce } from '../lib/announce.js';
import * as api from '../lib/api.js';
import { $, foreign, h, setText } from '../lib/dom.js';
import { feed } from '../lib/feed.js';
import { plural } from '../lib/format.js';
import { Letters } from '../deadletters/list.js';

const limit = 100; // letters that are shown
const batch = 100; // messages in one request
const perRequest = 1000; // that one request takes of all
const every = 5000; // ms between two looks at how many there are

// sure asks whether messages are to be dropped.
function sure(root, n, all) {
  const dialog = $('#sure', root);
  setText($('#sure-title', root), `Drop ${all ? 'all dead letters' : plural(n, 'message')} for good?`);
  setText($('#sure-text', root), `${all ? `That is ${plural(n, 'message')}, also those not shown here. ` : ''}They cannot be brought back. Originals stay in the uploads bucket; an image whose message is dropped has no result until it is sent through again.`);
  return new Promise((resolve) => {
    dialog.returnValue = '';
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
    dialog.showModal();
    $('#sure-no', root).focus();
  });
}

export function mount(main, { signal }) {
  const root = $('#deadletters', main);
  const form = $('#letters', root);
  if (!form || root.dataset.queue === 'none') return; // the page says why there are none
  const away = $('#away', root);
  const all = $('#all', root);
  let total = 0;
  let reading = false;
  let again = false; // asked for while it could not be done
  let acting = false;

  const letters = new Letters(root, {
    onChosen: () => count(),
    onRedrive: (ids) => act('redrive', ids),
    onDrop: (ids) => drop(ids),
  });

  function count() {
    const n = letters.chosen().length;
    const shown = letters.boxes().length;
    all.checked = shown > 0 && n === shown;
    all.indeterminate = n > 0 && n < shown;
    setText($('#chosen', root), n ? `${n} of ${shown} chosen` : 'Choose all');
    for (const b of ['#redrive', '#drop-chosen']) $(b, root).disabled = n === 0 || acting;
    for (const b of ['#redrive-all', '#drop-all']) $(b, root).disabled = acting;
  }

  function complain(text) {
    setText(away, text);
    away.hidden = !text;
  }

  async function read() {
    if (reading || acting) {
      again = true; // what is being read may be older than what the asker has heard of
      return;
    }
    reading = true;
    again = false;
    $('#again', root).disabled = true;
    root.setAttribute('aria-busy', 'true');
    try {
      const page = await api.deadLetters(limit);
      if (signal.aborted) return;
      total = Math.max(page.total ?? 0, page.deadLetters.length);
      letters.show(page.deadLetters);
      form.hidden = page.deadLetters.length === 0;
      $('#empty', root).hidden = page.deadLetters.length > 0;
      setText($('#shown', root), page.deadLetters.length < total ? `${page.deadLetters.length} of ${plural(total, 'message')} shown` : plural(total, 'message'));
      complain('');
    } catch (error) {
      complain(`${error.message} What is shown may be out of date.`);
    } finally {
      reading = false;
      $('#again', root).disabled = false;
      root.setAttribute('aria-busy', 'false');
    }
    if (again && !signal.aborted) await read();
  }

  async function drop(ids) {
    if (acting || !(await sure(root, ids?.length ?? total, !ids))) return;
    await act('drop', ids);
  }

  // act sends messages back or drops them: those with these ids, or all there are.
  async function act(what, ids) {
    if (acting) return;
    acting = true;
    count();
    const done = what === 'drop' ? 'dropped' : 'sent back to the queue';
    const results = []; // {name, kind, text}
    const tell = (id, kind, text) => results.push({ name: letters.name(id), kind, text });
    try {
      if (!ids) {
        // Each request takes so many at most. Ones that come back meanwhile are not chased.
        let n = 0;
        for (let tries = 2 + Math.ceil(total / perRequest); tries > 0; tries--) {
          const answer = await api.deadLettersAct(what, { all: true });
          n += answer.done;
          if (!answer.more || answer.done === 0) break;
        }
        results.push({ name: plural(n, 'message'), kind: n ? 'done' : 'missing', text: n ? done : 'found: others may hold some just now' });
      } else {
        letters.busy(ids, true);
        for (let i = 0; i < ids.length; i += batch) {
          const some = ids.slice(i, i + batch);
          try {
            const { missing = [] } = await api.deadLettersAct(what, { messageIds: some });
            for (const id of some) {
              if (missing.includes(id)) tell(id, 'missing', 'was not there any more, or somebody else holds it just now'); else tell(id, 'done', done);
            }
          } catch (error) {
            for (const id of some) tell(id, 'failed', error.message);
          }
        }
      }
    } catch (error) {
      results.push({ name: 'All', kind: 'failed', text: error.message });
    }
    letters.busy(ids ?? [], false);
    acting = false;
    report(results);
    await read();
    count();
    feed.now();
  }

  // report says what became of each message.
  function report(results) {
    const failed = results.filter((r) => r.kind === 'failed').length;
    const box = $('#results', root);
    box.hidden = false;
    box.dataset.kind = failed ? 'bad' : 'good';
    setText($('#results-title', root), failed ? `${plural(failed, 'message')} could not be done` : 'Done');
    $('#result-list', root).replaceChildren(...results.map((r) => h('li', { data: { kind: r.kind } }, foreign('strong', r.name), `: ${r.text}`)));
    announce(results.length === 1 ? `${results[0].name}: ${results[0].text}` : `${results.length - failed} of ${results.length} messages done.`);
    $('#results-title', root).focus();
  }

  form.addEventListener('submit', (e) => {
    e.preventDefault();
    const ids = letters.chosen();
    if (ids.length === 0) return;
    if (e.submitter?.value === 'drop') drop(ids); else act('redrive', ids);
  });
  all.addEventListener('change', () => letters.choose(all.checked));
  $('#redrive-all', root).addEventListener('click', () => act('redrive', null));
  $('#drop-all', root).addEventListener('click', () => drop(null));
  $('#again', root).addEventListener('click', read);
  $('#dismiss', root).addEventListener('click', () => { $('#results', root).hidden = true; ($('.letter-name', root) ?? main).focus(); });
  $('#sure-no', root).addEventListener('click', () => $('#sure', root).close());
  $('#sure-yes', root).addEventListener('click', () => $('#sure', root).close('yes'));

  count();
  read();
  // Looking at dead letters is dearer than counting them: they are read again when there are
  // more or fewer than there were, or when some were not seen because somebody held them.
  let counted = null;
  feed.listen(({ doc, error }) => {
    const n = error ? undefined : doc?.queue?.deadLetters;
    if (n === undefined) return;
    const unseen = letters.boxes().length < Math.min(n, limit);
    if (unseen || (n !== counted && (counted !== null || n !== total))) read();
    counted = n;
  }, { every, signal });
}
