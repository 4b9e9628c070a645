// The list of dead letters. Names, bodies and causes are untrusted: they go in as text, and
// originals are shown only where the browser decodes them as pictures: S3 is asked to serve
// everything else as bytes.

import { $, $$, foreign, h, setText } from '../lib/dom.js';
import { bytes as size, plural, when } from '../lib/format.js';
import { time } from '../pipeline/words.js';

// What S3 is asked to serve as a picture, by the key's extension, and browsers display.
const pictures = /\.(jpe?g|png|webp|gif|avif)$/i;

const wholeBody = 4096; // bytes that the API tells

// nameOf is what a letter is called.
export function nameOf(letter) {
  const [first, ...others] = letter.images ?? [];
  if (!first) return `Message ${letter.messageId.slice(0, 8)}`;
  return others.length ? `${first.name} and ${others.length} more` : first.name;
}

// sentence begins with a capital letter, as what stands alone on a page does.
const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : '');

const ago = (iso) => `${time((Date.now() - Date.parse(iso)) / 1000)} ago`;

// attempt is one entry of the record; what is as it was before is not said again.
function attempt(a, i, all) {
  const same = a.message && a.message === all[i - 1]?.message && a.code === all[i - 1]?.code;
  const took = a.ended ? Date.parse(a.ended) - Date.parse(a.started) : -1;
  return h('li', {},
    h('strong', { text: `Attempt ${a.attempt}` }), ' ', foreign('span', same ? 'The same.' : [sentence(a.message) || 'Failed', a.code ? `(${a.code})` : ''].filter(Boolean).join(' ')), h('br'),
    foreign('span', [`${when(a.started)}${took >= 0 ? `, for ${time(took / 1000)}` : ''}`, a.host ? `on ${a.host}` : '', a.program ?? ''].filter(Boolean).join(' · '), { class: 'where' }));
}

export class Letters {
  constructor(root, { onChosen, onRedrive, onDrop }) {
    this.list = $('#letter-list', root);
    this.template = $('#letter', root);
    this.onChosen = onChosen;
    this.actions = { onRedrive, onDrop };
    this.items = new Map(); // message id -> its <li>
    this.letters = new Map(); // message id -> document
    this.last = null; // the box that was ticked last, from which Shift ticks
    for (const li of this.list.children) this.adopt(li.dataset.id, li); // what the server wrote
    this.list.addEventListener('click', (e) => this.ticked(e));
    this.list.addEventListener('change', () => this.onChosen());
    this.list.addEventListener('error', (e) => this.blind(e.target), true);
  }

  // show makes the list that of these documents. What is there already stays as it is: chosen,
  // opened, focused.
  show(letters) {
    const here = new Set(letters.map((l) => l.messageId));
    for (const id of [...this.items.keys()]) if (!here.has(id)) this.remove(id);
    letters.forEach((letter, i) => {
      const li = this.items.get(letter.messageId) ?? this.make(letter);
      this.letters.set(letter.messageId, letter);
      this.fill(li, letter);
      if (this.list.children[i] !== li) this.list.insertBefore(li, this.list.children[i] ?? null);
    });
    this.onChosen();
  }

  make(letter) {
    const li = this.template.content.firstElementChild.cloneNode(true);
    const id = letter.messageId;
    li.dataset.id = id;
    $('.pick input', li).value = id;
    return this.adopt(id, li);
  }

  adopt(id, li) {
    $('.letter-redrive', li).addEventListener('click', () => this.actions.onRedrive([id]));
    $('.letter-drop', li).addEventListener('click', () => this.actions.onDrop([id]));
    this.items.set(id, li);
    return li;
  }

  fill(li, letter) {
    const name = nameOf(letter);
    for (const c of ['.letter-name', '.called']) setText($(c, li), name);
    $('.letter-redrive', li).setAttribute('aria-label', `Send back ${name}`);
    $('.letter-drop', li).setAttribute('aria-label', `Drop ${name}…`);
    const cause = letter.cause ?? {};
    setText($('.cause', li), sentence(cause.message));
    setText($('.hint', li), sentence(cause.hint));
    $('.hint', li).hidden = !cause.hint;
    setText($('.code', li), cause.code || letter.kind);
    setText($('.letter-meta', li), [letter.sentAt ? `sent ${ago(letter.sentAt)}, ${when(letter.sentAt)}` : '', letter.receives ? `received ${plural(letter.receives, 'time')}` : '',
      letter.kind === 'junk' ? 'no image' : ''].filter(Boolean).join(' · '));
    const images = letter.images ?? [];
    $('.letter-images', li).hidden = images.length === 0;
    $('.letter-images', li).replaceChildren(...images.slice(0, 20).flatMap((i) => [foreign(i.id ? 'a' : 'span', `${i.bucket}/${i.key}`, i.id ? { href: `/images/${encodeURIComponent(i.id)}` } : {}), ' ']));
    const attempts = letter.attempts ?? [];
    $('.tries', li).hidden = attempts.length === 0;
    setText($('.tries summary', li), `${plural(attempts.length, 'attempt')} on record`);
    $('.attempts', li).replaceChildren(...attempts.map(attempt));
    setText($('.body', li), letter.body ?? '');
    setText($('.whole summary', li), letter.bodyBytes > wholeBody ? `Message body, the first 4 KB of ${size(letter.bodyBytes)}` : 'Message body');
    this.preview(li, images[0]);
  }

  preview(li, image) {
    const img = $('.letter-preview img', li);
    if (img.dataset.tried) return;
    img.dataset.tried = 'yes';
    const shown = Boolean(image?.id && pictures.test(image.key));
    img.hidden = !shown;
    $('.no-preview', li).hidden = shown;
    if (!shown) return;
    img.alt = `The original of ${image.name}`;
    const src = `/api/images/${encodeURIComponent(image.id)}/original`;
    if (img.getAttribute('src') !== src) img.src = src;
    else if (img.complete && img.naturalWidth === 0) this.blind(img); // it failed before anybody listened
  }

  // blind takes away a picture that cannot be shown.
  blind(img) {
    if (img.nodeName !== 'IMG') return;
    img.hidden = true;
    img.nextElementSibling.hidden = false;
  }

  // ticked ticks everything between two boxes, where Shift is held.
  ticked(e) {
    const box = e.target.closest('.pick input');
    if (!box) return;
    const all = this.boxes();
    const [from, to] = [all.indexOf(this.last), all.indexOf(box)];
    if (e.shiftKey && from >= 0) for (const b of all.slice(Math.min(from, to), Math.max(from, to) + 1)) b.checked = box.checked;
    this.last = box;
    this.onChosen();
  }

  boxes() { return $$('.pick input', this.list); }
  chosen() { return this.boxes().filter((b) => b.checked).map((b) => b.value); }
  choose(on) { for (const b of this.boxes()) b.checked = on; this.onChosen(); }
  busy(ids, on) { for (const id of ids) this.items.get(id)?.classList.toggle('busy', on); }
  name(id) { return this.letters.has(id) ? nameOf(this.letters.get(id)) : id; }

  remove(id) {
    const li = this.items.get(id);
    const near = li?.contains(document.activeElement) ? li.nextElementSibling ?? li.previousElementSibling : null;
    li?.remove();
    this.items.delete(id);
    this.letters.delete(id);
    if (near) $('.letter-name', near).focus();
  }
}
