// A recipe's colours as the server makes them, in the browser: an SVG filter that is set to
// the same formulas (luma of BT.601, gamma-coded values; docs/adr/0006-tint.md). What a
// filter cannot do (cuts, watermarks) is left out.

import { svg } from './dom.js';

const LUMA = [0.299, 0.587, 0.114];
const channels = ['R', 'G', 'B'];

const rgb = (hex) => {
  const n = Number.parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
};
const matrix = (rows) => [...rows.map((r) => [...r, ...Array(5 - r.length).fill(0)]).flat(), 0, 0, 0, 1, 0].map((v) => Number(v.toFixed(5))).join(' ');

// values of a step, with references to parameters resolved.
function resolve(step, params) {
  const out = {};
  for (const [name, v] of Object.entries(step)) {
    out[name] = typeof v === 'string' && v.startsWith('$') && !v.startsWith('$$') ? params[v.slice(1)] : v;
  }
  return out;
}

// tint is the colour of a luma of 0 to 255: black to c to white, luma kept.
function tint(c) {
  const at = c[0] * LUMA[0] + c[1] * LUMA[1] + c[2] * LUMA[2];
  return (y) => c.map((v) => {
    if (y > at) return v + ((255 - v) * (y - at)) / (255 - at);
    return at > 0 ? (v * y) / at : 0;
  });
}

// curve replaces each pixel by a colour that depends on its luma alone.
function curve(f) {
  const table = Array.from({ length: 256 }, (_, y) => f(y));
  return [
    svg('feColorMatrix', { type: 'matrix', values: matrix([LUMA, LUMA, LUMA]) }),
    svg('feComponentTransfer', {}, ...channels.map((c, i) => svg(`feFunc${c}`, {
      type: 'table', tableValues: table.map((t) => (t[i] / 255).toFixed(4)).join(' '),
    }))),
  ];
}

// mixed is an effect at a strength: (1 − s) · before + s · after.
function mixed(parts, strength, name, before) {
  const s = Number(strength ?? 1);
  if (s >= 1) return parts;
  parts.at(-1).setAttribute('result', name);
  return [...parts, svg('feComposite', { in: name, in2: before, operator: 'arithmetic', k1: 0, k2: s, k3: 1 - s, k4: 0 })];
}

function adjust({ brightness = 1, contrast = 1, saturation = 1, hue = 0 }) {
  const [b, c, s] = [Number(brightness), Number(contrast), Number(saturation)];
  const sin = Math.sin((hue * Math.PI) / 180);
  const cos = Math.cos((hue * Math.PI) / 180);
  const rows = [[], [], []];
  for (let j = 0; j < 3; j++) {
    let cb = ((j === 2 ? 1 : 0) - LUMA[j]) / 1.772;
    let cr = ((j === 0 ? 1 : 0) - LUMA[j]) / 1.402;
    [cb, cr] = [b * c * s * (cb * cos - cr * sin), b * c * s * (cb * sin + cr * cos)];
    const y = b * c * LUMA[j];
    rows[0][j] = y + 1.402 * cr;
    rows[1][j] = y - (LUMA[0] * 1.402 * cr + LUMA[2] * 1.772 * cb) / LUMA[1];
    rows[2][j] = y + 1.772 * cb;
  }
  return [svg('feColorMatrix', { type: 'matrix', values: matrix(rows.map((r) => [...r, 0, 0.5 * (1 - c)])) })];
}

const kinds = {
  tint: (s) => curve(tint(rgb(s.color))),
  grayscale: () => curve((y) => [y, y, y]),
  duotone: (s) => {
    const [d, l] = [rgb(s.dark), rgb(s.light)];
    return curve((y) => d.map((v, i) => v + ((l[i] - v) * y) / 255));
  },
  sepia: () => [svg('feColorMatrix', { type: 'matrix', values: matrix([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]) })],
  adjust,
};

// Tone is one filter of the page; apply sets what it does, use puts it on an element.
export class Tone {
  constructor(id) {
    this.id = id;
    this.filter = svg('filter', { id, x: 0, y: 0, width: '100%', height: '100%', 'color-interpolation-filters': 'sRGB' });
    this.root = svg('svg', { width: 0, height: 0, class: 'unseen', 'aria-hidden': 'true' }, this.filter);
  }

  // apply takes a recipe of /api/config and the values of its parameters, and reports whether
  // there is anything to see.
  apply(recipe, params) {
    const parts = [];
    let before = 'SourceGraphic';
    for (const [i, raw] of (recipe?.steps ?? []).entries()) {
      const step = resolve(raw, params);
      if (!kinds[step.kind]) continue;
      parts.push(...mixed(kinds[step.kind](step), step.strength, `full${i}`, before));
      before = `step${i}`;
      parts.at(-1).setAttribute('result', before);
    }
    this.filter.replaceChildren(...parts);
    this.on = parts.length > 0;
    return this.on;
  }

  use(el) { el.style.filter = this.on ? `url("#${this.id}")` : ''; }
}
