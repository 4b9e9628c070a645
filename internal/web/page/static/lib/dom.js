// Elements without markup: what comes from others goes in as text, never as HTML.

// h makes an element. Props that are functions listen ("onclick"); class, text and data are
// what they say; everything else is an attribute, left out where it is null or false.
export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') el.className = value;
    else if (name === 'text') el.textContent = value;
    else if (name === 'data') Object.assign(el.dataset, value);
    else if (typeof value === 'function') el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? '' : value);
  }
  el.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

const svgNS = 'http://www.w3.org/2000/svg';

// svg makes an SVG element.
export function svg(tag, attributes = {}, ...children) {
  const el = document.createElementNS(svgNS, tag);
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
  el.append(...children);
  return el;
}

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// setText changes a text only where it is another: screen readers and selections stay calm.
export function setText(el, text) {
  if (el && el.textContent !== text) el.textContent = text;
}

// foreign makes an element for a text of somebody else's, isolated in its direction.
export const foreign = (tag, text, props = {}) => h(tag, { dir: 'auto', ...props, class: `foreign ${props.class ?? ''}`.trim(), text });
