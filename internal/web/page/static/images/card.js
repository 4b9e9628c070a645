// One card of the gallery. Names and everything else that came with an image are untrusted:
// they go in as text, never as markup.

import { setText } from '../lib/dom.js';
import { paint } from '../lib/thumbhash.js';
import { draw } from '../lib/files.js';
import { explain, fresh, label, labels, pageOf, showJob, tileOf } from '../lib/words.js';

// prepare makes a card ready, one from the server or from the template.
export function prepare(card) {
  const img = card.querySelector('.thumb');
  const hash = card.querySelector('.hash');
  img.addEventListener('load', () => { hash.hidden = true; card.classList.remove('pending'); });
  img.addEventListener('error', () => {
    img.hidden = true;
    img.removeAttribute('src'); // so that the next look tries again
    card.classList.remove('pending');
  });
  return card;
}

// fill shows an item of the collection. Place is its number among them, from 0.
export function fill(card, item, place, total) {
  card.dataset.id = item.id;
  card.dataset.status = item.status;
  const name = card.querySelector('.name');
  setText(name, item.name);
  name.title = item.name;
  const link = card.querySelector('.open');
  if (item.local) link.removeAttribute('href'); else link.href = pageOf(item.id);
  if (place !== undefined) {
    card.setAttribute('aria-posinset', place + 1);
    card.setAttribute('aria-setsize', total);
  }

  const badge = card.querySelector('.badge');
  const progress = card.querySelector('.progress');
  if (!item.local && !progress.hidden) progress.value = 100; // the result may come before the upload's own last word
  progress.hidden = !item.local;
  if (item.local) {
    const sent = item.local.state === 'sent';
    const part = Math.floor((item.local.loaded / Math.max(1, item.local.file.size)) * 100);
    progress.value = part;
    progress.setAttribute('aria-label', `Upload of ${item.name}`);
    badge.dataset.status = sent ? 'processing' : 'uploading';
    setText(badge, sent ? (part >= 100 ? labels.sent : '') : `${labels.uploading} ${part} %`);
  } else {
    badge.dataset.status = item.status;
    setText(badge, label(item));
  }
  showJob(card.querySelector('.detail'), item);
  const why = card.querySelector('.why');
  const e = item.error && explain(item.error);
  setText(why, e ? [e.title, e.hint].filter(Boolean).join(' ') : '');
  why.hidden = !item.error;
  picture(card, item);
}

function picture(card, item) {
  const img = card.querySelector('.thumb');
  const hash = card.querySelector('.hash');
  const tile = item.status === 'done' ? tileOf(item) : null;
  const src = tile ? fresh(tile) : '';
  if (src && img.getAttribute('src') === src) return;
  card.classList.remove('pending');
  img.alt = tile ? `${item.name}, ${item.recipe ?? ''}` : '';
  const file = (item.local ?? item.preview)?.file;
  if (src) {
    // While the picture loads: the file itself where it came from here, else its ThumbHash.
    if (hash.dataset.of !== item.id || !file) {
      hash.hidden = !paint(hash, tile.thumbHash);
      hash.dataset.of = item.id;
    }
    card.classList.add('pending');
    img.src = src;
    img.hidden = false;
    return;
  }
  img.removeAttribute('src');
  img.hidden = true;
  if (!file) hash.hidden = true;
  else if (hash.dataset.of !== item.id) {
    hash.dataset.of = item.id;
    hash.hidden = true;
    draw(file, hash);
  }
}
