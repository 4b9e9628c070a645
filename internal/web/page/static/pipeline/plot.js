// A plot of figures over the last minutes, in SVG: lines with gaps where nothing is known, a
// read-out under the pointer and by the arrow keys, and the same as a table.

import { h, setText, svg } from '../lib/dom.js';
import { clock } from './words.js';

const span = 600000; // ms that a plot shows
const gap = 20000; // ms without a sample that break a line
const pad = { left: 46, right: 12, top: 10, bottom: 24 };
const rowEvery = 30000; // ms between two rows of the table

// Where a plot ends at the top: at or above x, so that a quarter of it is a round figure.

// wholeTop is for counts.
export function wholeTop(x) {
  for (let unit = 1; ; unit *= 10) {
    const top = [1, 2, 3, 4, 5, 6, 8, 10].map((m) => m * unit).find((t) => t >= x && t % 4 === 0);
    if (top) return top;
  }
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const times = [0.02, 0.04, 0.08, 0.2, 0.4, 0.8].concat(1, 2, 4, 8, 20, 40,
  [1, 2, 4, 8, 20, 40].map((m) => m * minute), [1, 2, 4, 8, 12, 24, 48].map((h) => h * hour)).sort((a, b) => a - b);

// timeTop is for seconds.
export const timeTop = (x) => (x > 0 ? times.find((t) => t >= x) ?? wholeTop(x / day) * day : 1);

// segments are the runs of points that a line connects: [[x, y], …], in the plot's units.
export function segments(points, of, x, y) {
  const runs = [];
  let before = null;
  for (const p of points) {
    const v = of(p);
    if (v === null || v === undefined) { before = null; continue; }
    if (before === null || p.t - before > gap) runs.push([]);
    runs.at(-1).push([x(p.t), y(v)]);
    before = p.t;
  }
  return runs;
}

const line = (run) => (run.length === 1 ? `M${run[0][0] - 1} ${run[0][1]}h2` : `M${run.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L')}`);

export class Plot {
  // series: [{key, label, of}]; of picks a value of a point, or null. words make a value readable,
  // and top says where the plot ends above the greatest.
  constructor(root, { title, series, words, top }, signal) {
    Object.assign(this, { series, words, top, title });
    this.points = [];
    this.at = null; // index of the point that is read out; null: none
    this.values = series.map((s) => h('span', { class: 'value' }, '–'));
    this.when = h('span', { class: 'when' });
    const name = `plot-${series[0].key}`;
    this.canvas = h('div', {
      class: 'canvas', tabindex: '0', role: 'slider', 'aria-labelledby': name, 'aria-valuemin': '0', 'aria-valuemax': '0', 'aria-valuenow': '0', 'aria-valuetext': 'nothing yet',
      'aria-orientation': 'horizontal',
    });
    this.svg = svg('svg', { 'aria-hidden': 'true', focusable: 'false' });
    this.canvas.append(this.svg);
    this.body = h('tbody');
    this.table = h('details', { class: 'as-table' }, h('summary', {}, 'As a table'),
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-labelledby': name }, h('table', {},
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Time'), ...series.map((s) => h('th', { scope: 'col' }, s.label)))), this.body)));
    root.append(
      h('figcaption', {}, h('h3', { id: name }, title), this.when,
        h('ul', { class: 'legend' }, ...series.map((s, i) => h('li', { class: `line-${i}` }, this.key(i), ` ${s.label} `, this.values[i])))),
      this.canvas, this.table);
    this.table.addEventListener('toggle', () => this.fill());
    this.canvas.addEventListener('pointermove', (e) => this.point(e.clientX - this.canvas.getBoundingClientRect().left));
    this.canvas.addEventListener('pointerleave', () => this.read(null));
    this.canvas.addEventListener('blur', () => this.read(null));
    this.canvas.addEventListener('keydown', (e) => this.pressed(e));
    const observer = new ResizeObserver(([entry]) => {
      this.width = Math.round(entry.contentRect.width);
      this.height = Math.round(entry.contentRect.height);
      this.draw();
    });
    observer.observe(this.canvas);
    signal.addEventListener('abort', () => observer.disconnect());
  }

  key(i) {
    const k = svg('svg', { class: 'key', viewBox: '0 0 24 8', 'aria-hidden': 'true', focusable: 'false' });
    k.append(svg('path', { class: `line line-${i}`, d: 'M0 4H24' }));
    return k;
  }

  // show takes points [{t: ms, …}] in the order of time, and the instant at the right end.
  show(points, now) {
    const read = this.at === null ? null : this.points[this.at]?.t;
    this.now = now;
    this.points = points.filter((p) => now - p.t <= span);
    this.at = read === null ? null : this.nearest(read);
    this.draw();
    this.fill();
  }

  nearest(t) {
    let best = null;
    this.points.forEach((p, i) => { if (best === null || Math.abs(p.t - t) < Math.abs(this.points[best].t - t)) best = i; });
    return best;
  }

  point(px) {
    if (!this.width || this.now === undefined) return;
    this.read(this.nearest(this.now - span + (px - pad.left) / (this.width - pad.left - pad.right) * span));
  }

  pressed(e) {
    const last = this.points.length - 1;
    if (last < 0) return;
    const from = this.at ?? last;
    const to = { ArrowLeft: from - 1, ArrowDown: from - 1, ArrowRight: from + 1, ArrowUp: from + 1, PageUp: from - 15, PageDown: from + 15, Home: 0, End: last }[e.key];
    if (e.key === 'Escape') this.read(null);
    if (to === undefined) return;
    e.preventDefault();
    this.read(Math.max(0, Math.min(last, to)));
  }

  // read reads a point out; null goes back to the newest.
  read(i) {
    this.at = i;
    this.draw();
  }

  draw() {
    this.tell();
    if (!this.width || !this.height) return;
    const { width, height } = this;
    const right = width - pad.right;
    const bottom = height - pad.bottom;
    const now = this.now ?? 0;
    let most = 0;
    for (const p of this.points) for (const s of this.series) most = Math.max(most, s.of(p) ?? 0);
    const top = this.top(most);
    const x = (t) => right - (now - t) / span * (right - pad.left);
    const y = (v) => bottom - v / top * (bottom - pad.top);
    const parts = [];
    for (let i = 0; i <= 4; i++) {
      if (i % 2 && height < 150) continue;
      const v = top * i / 4;
      parts.push(svg('path', { class: i ? 'grid' : 'axis', d: `M${pad.left} ${y(v).toFixed(1)}H${right}` }),
        svg('text', { class: 'tick', x: pad.left - 6, y: y(v) + 4, 'text-anchor': 'end' }, this.words(v)));
    }
    for (let m = 0; m <= span / 60000; m += width < 420 ? 5 : 2) {
      const at = x(now - m * 60000);
      parts.push(svg('path', { class: 'grid', d: `M${at.toFixed(1)} ${bottom}v4` }),
        svg('text', { class: 'tick', x: at, y: bottom + 17, 'text-anchor': m ? 'middle' : 'end' }, m ? `−${m} min` : 'now'));
    }
    this.series.forEach((s, i) => {
      const runs = segments(this.points, s.of, x, y);
      if (i === 0) {
        parts.push(svg('path', { class: 'area', d: runs.map((r) => `${line(r)}V${bottom}H${r[0][0].toFixed(1)}Z`).join('') }));
      }
      parts.push(svg('path', { class: `line line-${i}`, d: runs.map(line).join('') }));
    });
    const p = this.at === null ? null : this.points[this.at];
    if (p) {
      parts.push(svg('path', { class: 'cursor', d: `M${x(p.t).toFixed(1)} ${pad.top}V${bottom}` }));
      this.series.forEach((s, i) => {
        const v = s.of(p);
        if (v !== null && v !== undefined) parts.push(svg('circle', { class: `dot line-${i}`, cx: x(p.t), cy: y(v), r: 4 }));
      });
    }
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...parts);
  }

  // tell writes the values: of the point that is read out, or the newest.
  tell() {
    const last = this.points.length - 1;
    const p = this.points[this.at ?? last];
    setText(this.when, this.at === null || !p ? '' : `at ${clock(p.t)}`);
    this.series.forEach((s, i) => { setText(this.values[i], p ? this.word(s, p) : '–'); });
    this.canvas.setAttribute('aria-valuemax', String(Math.max(0, last)));
    this.canvas.setAttribute('aria-valuenow', String(Math.max(0, this.at ?? last)));
    this.canvas.setAttribute('aria-valuetext', p ? `${clock(p.t)}: ${this.series.map((s) => `${s.label} ${this.word(s, p)}`).join(', ')}` : 'nothing yet');
  }

  word(s, p) {
    const v = s.of(p);
    return v === null || v === undefined ? '–' : this.words(v);
  }

  // fill writes the table, while it is open: the newest first, a row each half minute.
  fill() {
    if (!this.table.open || this.table.contains(document.activeElement?.closest?.('.scroll') ?? null)) return;
    const rows = [];
    let before = Infinity;
    for (const p of this.points.toReversed()) {
      if (before - p.t < rowEvery) continue;
      before = p.t;
      rows.push(h('tr', {}, h('th', { scope: 'row' }, clock(p.t)), ...this.series.map((s) => h('td', {}, this.word(s, p)))));
    }
    this.body.replaceChildren(...rows);
  }
}
