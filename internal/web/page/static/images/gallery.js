// The gallery: a window on the collection.

import { images } from '../lib/collection.js';
import { Grid, arrows } from '../lib/grid.js';
import { $, h, setText } from '../lib/dom.js';
import { announce } from '../lib/announce.js';
import { plural } from '../lib/format.js';
import { fill, prepare } from './card.js';


export function gallery({ signal, state }) {
  const root = $('#images');
  const empty = $('#empty');
  const more = $('#more');
  const news = $('#news');
  const template = $('#card').content.firstElementChild;
  let held = 0; // images that came while somebody looked further down; they wait above
  let first = null; // the item that stood first when the reader went down

  const grid = new Grid(root, {
    id: (item) => item.id,
    make: () => prepare(template.cloneNode(true)),
    update: (el, item, i) => fill(el, item, i, images.next ? -1 : grid.items.length),
    onWindow: (_, last, columns) => { if (last >= grid.items.length - columns * 4) ask(); },
    signal,
  });
  for (const card of root.children) prepare(card);
  grid.adopt((card) => card.dataset.id);
  arrows(grid, '.open', signal);

  function ask() {
    // A search goes on by itself only while it finds something; the rest is asked for.
    if (images.next && !images.busy && !images.error && (!images.narrowed || images.items.length > grid.asked)) {
      grid.asked = images.items.length;
      images.more();
    }
  }
  grid.asked = -1;

  // What comes while somebody looks at what is further down must not push it away.
  const down = () => root.getBoundingClientRect().top < -200 && grid.row > 0;

  function show() {
    let items = images.items;
    if (items.length === 0) grid.asked = -1; // another search
    held = 0;
    if (down() && first) {
      held = Math.max(0, items.indexOf(first));
      if (held > 0) items = items.slice(held);
    } else {
      first = items[0];
    }
    news.hidden = held === 0;
    if (held > 0) setText(news, `↑ ${plural(held, 'new image')}`);
    // Until the list has been read once, what the server wrote into the page stands.
    const unread = images.next === null && !images.narrowed && !images.error;
    if (!unread) grid.show(items);
    root.setAttribute('aria-busy', String(images.busy !== null));
    empty.hidden = unread || items.length > 0 || images.busy !== null || Boolean(images.error);
    setText(empty, images.narrowed ? (images.next ? '' : 'No image is like that.') : 'Nothing here yet. The first picture that you upload will stand here.');
    if (images.narrowed && images.next) empty.hidden = true;
    foot();
  }

  function foot() {
    const parts = [];
    if (images.error) {
      parts.push(h('span', { text: `${images.error.message} ` }), h('button', { type: 'button', text: 'Try again', onclick: () => images.more() }));
    } else if (images.narrowed && images.next) {
      parts.push(h('span', { class: 'number', text: `Searched ${images.searched.toLocaleString('en')} so far, found ${images.items.length.toLocaleString('en')}. ` }),
        images.busy ? h('span', { text: 'Searching…' }) : h('button', { type: 'button', id: 'go-on', text: 'Go on', onclick: () => images.more() }));
    } else if (images.narrowed && !images.busy) {
      parts.push(h('span', { class: 'number', text: `Searched all ${images.searched.toLocaleString('en')}, found ${images.items.length.toLocaleString('en')}.` }));
    } else if (images.busy && images.items.length > 0) {
      parts.push(h('span', { text: 'Loading…' }));
    }
    const held = more.contains(document.activeElement);
    more.replaceChildren(...parts);
    more.hidden = parts.length === 0;
    if (held) (more.querySelector('button') ?? root).focus();
  }

  images.addEventListener('change', (e) => {
    if (e.detail) grid.touch(e.detail); else show();
  }, { signal });
  news.addEventListener('click', () => { first = null; scrollTo({ top: 0 }); held = 0; first = images.items[0]; show(); root.focus({ preventScroll: true }); }, { signal });
  addEventListener('scroll', () => { if (held > 0 && !down()) show(); }, { passive: true, signal });

  filter(signal);
  if (images.next === null) {
    if (state?.filter) images.reset(state.filter);
    images.more();
  }
  show();
  if (state?.y) {
    grid.draw();
    scrollTo(0, state.y);
    grid.draw();
  }
}

// filter narrows the collection as its controls say, and says so to screen readers.
function filter(signal) {
  const form = $('#filter');
  const fields = form.elements;
  for (const name of ['q', 'status', 'recipe']) fields[name].value = images.filter[name];
  let timer = 0;
  const apply = async () => {
    const next = { q: fields.q.value.trim(), status: fields.status.value, recipe: fields.recipe.value };
    if (next.q === images.filter.q && next.status === images.filter.status && next.recipe === images.filter.recipe) return;
    await images.narrow(next);
    if (images.narrowed) announce(`${images.items.length} found${images.next ? ', not all searched' : ''}.`);
  };
  form.addEventListener('input', (e) => {
    clearTimeout(timer);
    timer = setTimeout(apply, e.target === fields.q ? 300 : 0);
  }, { signal });
  form.addEventListener('submit', (e) => { e.preventDefault(); apply(); }, { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  addEventListener('keydown', (e) => {
    if (e.key === '/' && !e.ctrlKey && !e.metaKey && !e.altKey && !e.target.matches?.('input, textarea, select')) {
      e.preventDefault();
      fields.q.focus();
    }
  }, { signal });
}
