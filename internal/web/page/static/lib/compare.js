// Two pictures of the same, one over the other, and a handle between them; with zoom they can
// be looked at closely. The handle is a range input: it works with every key that such has.

import { h } from './dom.js';

const most = 8; // times the size at which it fits

export class Compare {
  constructor(root, { signal, zoom = true, before = 'Before', after = 'After' }) {
    this.root = root;
    this.names = { before, after };
    this.zoomable = zoom;
    this.signal = signal;
    this.range = h('input', { type: 'range', class: 'compare-range', min: 0, max: 100, step: 0.5, value: 50, 'aria-label': `Divide between ${before.toLowerCase()} and ${after.toLowerCase()}` });
    this.range.addEventListener('input', () => this.divide(Number(this.range.value)));
    this.box = h('div', { class: 'compare' });
    root.append(this.box);
    this.view = { scale: 1, x: 0, y: 0 };
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => this.place()).observe(this.box);
  }

  // show takes {before, after, alt}: addresses of pictures, either may be absent; or null.
  show(pictures) {
    this.before = this.after = null;
    this.box.replaceChildren();
    this.fit();
    if (!pictures) return;
    const layer = (src, name, alt) => {
      const img = h('img', { alt, draggable: 'false', decoding: 'async' });
      img.addEventListener('error', () => { layerEl.classList.add('broken'); this.enable(false); });
      img.addEventListener('load', () => { layerEl.classList.add('loaded'); this.settle(); });
      const layerEl = h('div', { class: `layer ${name}` }, img);
      img.src = src;
      this.box.append(layerEl);
      return img;
    };
    const { before, after, alt } = pictures;
    if (before) this.before = layer(before, 'before', after ? '' : alt);
    if (after) this.after = layer(after, 'after', alt);
    if (before && after) {
      this.box.append(
        h('span', { class: 'tag tag-before', text: this.names.before, 'aria-hidden': 'true' }),
        h('span', { class: 'tag tag-after', text: this.names.after, 'aria-hidden': 'true' }),
        h('span', { class: 'divider', 'aria-hidden': 'true' }), this.range);
      this.enable(true);
    }
    this.box.append(h('p', { class: 'cannot', text: 'This picture cannot be shown here.' }));
    this.divide(Number(this.range.value));
  }

  // settle looks whether both show the same part: a cut cannot be laid over its whole.
  settle() {
    const [a, b] = [this.before, this.after];
    if (!a?.naturalWidth || !b?.naturalWidth) return;
    const ratio = (a.naturalWidth / a.naturalHeight) / (b.naturalWidth / b.naturalHeight);
    this.box.classList.toggle('unlike', Math.abs(Math.log(ratio)) > 0.03);
    this.place();
  }

  // enable shows the handle, or the result alone.
  enable(on) {
    const both = Boolean(on && this.before && this.after);
    this.box.classList.toggle('divided', both);
    this.range.disabled = !both;
  }

  divide(percent) {
    this.box.style.setProperty('--at', `${percent}%`);
    this.range.setAttribute('aria-valuetext', `${Math.round(percent)} % ${this.names.before.toLowerCase()}`);
  }

  fit() {
    this.view = { scale: 1, x: 0, y: 0 };
    this.place();
  }

  // zoomBy makes everything larger about a point of the box (its middle where none is given).
  zoomBy(factor, cx, cy) {
    const { width, height } = this.box.getBoundingClientRect();
    const v = this.view;
    const scale = Math.min(most, Math.max(1, v.scale * factor));
    const [px, py] = [(cx ?? width / 2) - width / 2, (cy ?? height / 2) - height / 2];
    v.x = px - (px - v.x) * (scale / v.scale);
    v.y = py - (py - v.y) * (scale / v.scale);
    v.scale = scale;
    this.place();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.place();
  }

  place() {
    const { width, height } = this.box.getBoundingClientRect();
    const v = this.view;
    const [mx, my] = [(width * (v.scale - 1)) / 2, (height * (v.scale - 1)) / 2];
    v.x = Math.min(mx, Math.max(-mx, v.x));
    v.y = Math.min(my, Math.max(-my, v.y));
    this.box.style.setProperty('--view', `translate(${v.x}px, ${v.y}px) scale(${v.scale})`);
    this.box.classList.toggle('zoomed', v.scale > 1);
    this.onZoom?.(v.scale);
  }

  listen() {
    const { box, signal } = this;
    const at = (e) => {
      const r = box.getBoundingClientRect();
      return [e.clientX - r.left, e.clientY - r.top];
    };
    const dividing = (e) => {
      const r = box.getBoundingClientRect();
      this.range.value = ((e.clientX - r.left) / r.width) * 100;
      this.divide(Number(this.range.value));
    };
    box.addEventListener('pointerdown', (e) => {
      if (e.button !== 0 && e.pointerType === 'mouse') return;
      box.setPointerCapture(e.pointerId);
      this.pointers.set(e.pointerId, at(e));
      // Near the divider, or where nothing can be moved, it is the divider that moves.
      const r = box.getBoundingClientRect();
      const near = Math.abs(e.clientX - r.left - (Number(this.range.value) / 100) * r.width) < 28;
      this.drag = !this.range.disabled && box.classList.contains('divided') && (near || this.view.scale === 1) ? 'divide' : 'pan';
      if (this.drag === 'divide' && this.pointers.size === 1) dividing(e);
      e.preventDefault();
      this.range.focus({ preventScroll: true });
    }, { signal });
    box.addEventListener('pointermove', (e) => {
      const before = this.pointers.get(e.pointerId);
      if (!before) return;
      const now = at(e);
      this.pointers.set(e.pointerId, now);
      if (this.pointers.size === 2 && this.zoomable) {
        const other = [...this.pointers].find(([id]) => id !== e.pointerId)[1];
        const distance = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
        this.zoomBy(distance(now) / Math.max(1, distance(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      } else if (this.drag === 'divide') dividing(e);
      else if (this.zoomable) this.pan(now[0] - before[0], now[1] - before[1]);
    }, { signal });
    for (const type of ['pointerup', 'pointercancel']) box.addEventListener(type, (e) => this.pointers.delete(e.pointerId), { signal });
    if (!this.zoomable) return;
    // The wheel alone scrolls the page, as everywhere; with Ctrl (and the pinch of a touchpad) it zooms.
    box.addEventListener('wheel', (e) => {
      if (!e.ctrlKey && !e.metaKey) return;
      e.preventDefault();
      this.zoomBy(Math.exp(-e.deltaY / 200), ...at(e));
    }, { passive: false, signal });
    box.addEventListener('dblclick', (e) => { if (this.view.scale > 1) this.fit(); else this.zoomBy(3, ...at(e)); }, { signal });
    this.root.addEventListener('keydown', (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey) return;
      const step = 60;
      const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
      if (e.key === '+' || e.key === '=') this.zoomBy(1.4);
      else if (e.key === '-') this.zoomBy(1 / 1.4);
      else if (e.key === '0') this.fit();
      else if (this.view.scale > 1 && e.shiftKey && moves[e.key]) this.pan(...moves[e.key]);
      else return;
      e.preventDefault();
    }, { signal });
  }
}
