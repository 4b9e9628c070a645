// Makes a tree of elements like another, changing only what differs, so that what a reader has
// selected, unfolded, focused or typed stays.
//
// Elements with data-keep are left as they are. Those with an id or data-key are found by it
// wherever they went among their siblings. What changes in an element with data-flash is shown by
// the class "fresh".

export function morph(from, to) {
  children(from, to);
}

const key = (node) => node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || '' : '';

const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && key(a) === key(b);

function children(from, to) {
  const keyed = new Map();
  for (const child of from.childNodes) if (key(child)) keyed.set(key(child), child);
  let at = from.firstChild;
  for (const want of [...to.childNodes]) {
    const named = key(want) && keyed.get(key(want));
    let have = at;
    if (named && alike(named, want)) {
      if (named !== at) from.insertBefore(named, at);
      have = named;
    } else if (!at || !alike(at, want)) {
      from.insertBefore(document.importNode(want, true), at);
      continue;
    }
    at = have.nextSibling;
    node(have, want);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function node(have, want) {
  if (have.nodeType !== Node.ELEMENT_NODE) {
    if (have.data !== want.data) have.data = want.data;
    return;
  }
  if (have.hasAttribute('data-keep') && want.hasAttribute('data-keep')) return;
  const before = have.hasAttribute('data-flash') ? have.textContent : null;
  attributes(have, want);
  children(have, want);
  if (before !== null && before !== have.textContent) have.classList.add('fresh');
}

function attributes(have, want) {
  // Whether it is unfolded is the reader's.
  const readers = (name) => name === 'open' && have.nodeName === 'DETAILS';
  for (const { name, value } of want.attributes) {
    if (!readers(name) && have.getAttribute(name) !== value) have.setAttribute(name, value);
  }
  for (const { name } of [...have.attributes]) {
    if (!readers(name) && !want.hasAttribute(name)) have.removeAttribute(name);
  }
}
