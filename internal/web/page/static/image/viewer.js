// The pictures of an image: original and result, one over the other.

import { $, h, setText } from '../lib/dom.js';
import { fresh, original, shown } from '../lib/words.js';

// viewer returns the function that shows a document.
export function viewer(compare, signal) {
  let now = '';
  const percent = h('span', { class: 'number', 'aria-live': 'polite' });
  const button = (text, name, f) => h('button', { type: 'button', class: 'icon', 'aria-label': name, title: name, text, onclick: f });
  const bar = h('div', { class: 'viewer-bar', role: 'group', 'aria-label': 'Zoom' },
    button('−', 'Smaller', () => compare.zoomBy(1 / 1.4)), percent, button('+', 'Larger', () => compare.zoomBy(1.4)),
    h('button', { type: 'button', text: 'Fit', onclick: () => compare.fit() }));
  compare.onZoom = (scale) => setText(percent, `${Math.round(scale * 100)} %`);
  compare.place();

  return (doc) => {
    const fit = doc.outputs.filter((o) => shown.includes(o.format));
    const best = doc.status === 'done' ? fit.find((o) => o.name === 'large') ?? fit.reduce((a, b) => (a && a.width >= b.width ? a : b), null) : null;
    const format = doc.source.format;
    const before = !format || shown.includes(format) ? original(doc) : null;
    const after = best ? fresh(best) : null;
    const key = `${before} ${after}`;
    if (key === now) return;
    now = key;
    $('#viewer .plain')?.remove();
    compare.show(before || after ? { before, after, alt: after ? `${doc.name}, ${doc.recipe ?? ''}` : doc.name } : null);
    const source = doc.source.width ? doc.source : best;
    compare.box.style.setProperty('--ratio', source?.width ? `${source.width} / ${source.height}` : '4 / 3');
    compare.root.append(bar);
    bar.hidden = !before && !after;
  };
}
