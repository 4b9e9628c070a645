// A windowed grid: of any number of items only those near the screen are elements. The grid
// is an ordinary CSS grid whose rows are all of one height; the rows that are not there are
// padding. So the first rows may come from the server as they are.

const overscan = 2; // rows above and below what is seen

export class Grid {
  // root holds the elements. Id gives the id of an item; make(item) makes its element and
  // update(el, item) brings it up to date. Scroller is the element around root that scrolls, or
  // null for the window. OnWindow(first, last, columns) is told what is shown.
  constructor(root, { id, make, update, scroller = null, onWindow = () => {}, dropped = () => {}, signal }) {
    Object.assign(this, { root, id, make, update, scroller, onWindow, dropped });
    this.items = [];
    this.elements = new Map(); // id -> element shown
    this.row = 0; // height of a row with its gap, CSS pixels
    this.columns = 1;
    this.frame = 0;
    const draw = () => this.schedule();
    (scroller ?? window).addEventListener('scroll', draw, { passive: true, signal });
    let width = 0;
    const sizes = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === width) { draw(); return; }
      width = contentRect.width;
      this.measured = false;
      draw();
    });
    sizes.observe(root);
    signal.addEventListener('abort', () => { sizes.disconnect(); cancelAnimationFrame(this.frame); });
  }

  // adopt takes elements that are there already, such as the server made. They stand until
  // items are shown.
  adopt(idOf) {
    for (const el of [...this.root.children]) this.elements.set(idOf(el), el);
    this.adopted = true;
  }

  // show shows items; those that changed are brought up to date. The first are drawn at once,
  // in the place of those that were adopted: between them there is no empty frame.
  show(items) {
    const first = this.adopted;
    this.adopted = false;
    this.items = items;
    this.stale = true;
    if (first) this.draw(); else this.schedule();
  }

  schedule() {
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  measure() {
    const style = getComputedStyle(this.root);
    this.columns = Math.max(1, style.gridTemplateColumns.split(' ').filter(Boolean).length);
    const first = this.root.firstElementChild;
    const height = first?.getBoundingClientRect().height ?? 0;
    if (height > 0) {
      this.row = height + (Number.parseFloat(style.rowGap) || 0);
      this.measured = true;
    }
  }

  draw() {
    if (!this.root.isConnected || this.adopted) return;
    const { items } = this;
    if (!this.measured) this.measure();
    if (!this.row && items.length > 0) { // nothing to measure by yet
      this.place(0, Math.min(items.length, this.columns * 2));
      this.measure();
      if (!this.row) return;
    }
    const rows = Math.ceil(items.length / this.columns);
    let top;
    let height;
    if (this.scroller) {
      top = this.scroller.scrollTop;
      height = this.scroller.clientHeight;
    } else {
      top = -this.root.getBoundingClientRect().top;
      height = innerHeight;
    }
    const from = Math.min(Math.max(0, Math.floor(top / this.row) - overscan), Math.max(0, rows - 1));
    const to = Math.min(rows, Math.max(from, Math.ceil((top + height) / this.row)) + overscan);
    this.root.style.paddingBlockStart = `${from * this.row}px`;
    this.root.style.paddingBlockEnd = `${Math.max(0, rows - to) * this.row}px`;
    this.place(from * this.columns, Math.min(items.length, to * this.columns));
    if (!this.measured) this.measure();
  }

  // place makes the elements of items first to last, and no others, the children of root.
  place(first, last) {
    if (!this.stale && first === this.first && last === this.last) return;
    const wanted = new Set();
    for (let i = first; i < last; i++) wanted.add(this.id(this.items[i]));
    for (const [id, el] of this.elements) {
      if (wanted.has(id)) continue;
      if (el.contains(document.activeElement)) this.root.focus({ preventScroll: true });
      this.elements.delete(id);
      this.dropped(el);
      el.remove();
    }
    let before = this.root.firstElementChild;
    for (let i = first; i < last; i++) {
      const item = this.items[i];
      const id = this.id(item);
      let el = this.elements.get(id);
      const isNew = !el;
      if (isNew) {
        el = this.make(item);
        this.elements.set(id, el);
      }
      if (isNew || this.stale) this.update(el, item, i);
      if (el === before) before = before.nextElementSibling;
      else this.root.insertBefore(el, before);
    }
    while (before) { // what nobody knows
      const next = before.nextElementSibling;
      before.remove();
      before = next;
    }
    this.stale = false;
    [this.first, this.last] = [first, last];
    this.onWindow(first, last, this.columns);
  }

  // touch brings one item up to date where it is shown.
  touch(item) {
    const el = this.elements.get(this.id(item));
    if (el) this.update(el, item);
  }

  // reveal scrolls so that item i is on the screen, and returns its element.
  reveal(i) {
    const row = Math.floor(i / this.columns);
    if (this.scroller) {
      const top = row * this.row;
      if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
      else if (top + this.row > this.scroller.scrollTop + this.scroller.clientHeight) this.scroller.scrollTop = top + this.row - this.scroller.clientHeight;
    } else {
      const top = this.root.getBoundingClientRect().top + row * this.row;
      // What lies over the foot of the page says so by the root's scroll-padding.
      const foot = innerHeight - (Number.parseFloat(getComputedStyle(document.documentElement).scrollPaddingBottom) || 0);
      if (top < 0) scrollBy(0, top - 8);
      else if (top + this.row > foot) scrollBy(0, top + this.row - foot + 8);
    }
    this.draw();
    return this.elements.get(this.id(this.items[i]));
  }

  // indexOf is the place of the item whose element holds a node, or -1.
  indexOf(node) {
    const el = node?.closest?.(`#${this.root.id} > *`);
    if (!el) return -1;
    const at = [...this.root.children].indexOf(el);
    return at < 0 ? -1 : this.first + at;
  }
}

// arrows moves the focus in a grid with the arrow keys, Home, End and the page keys.
// Focusable is what in an element takes the focus.
export function arrows(grid, focusable, signal) {
  let active = 0;
  grid.root.addEventListener('focusin', (e) => {
    const i = grid.indexOf(e.target);
    if (i >= 0) active = i;
  }, { signal });
  grid.root.addEventListener('keydown', (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey || e.target.matches?.('input, select, textarea')) return;
    const page = Math.max(1, Math.floor((grid.scroller?.clientHeight ?? innerHeight) / (grid.row || 1))) * grid.columns;
    const rtl = getComputedStyle(grid.root).direction === 'rtl' ? -1 : 1;
    const step = { ArrowRight: rtl, ArrowLeft: -rtl, ArrowDown: grid.columns, ArrowUp: -grid.columns, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[e.key];
    if (step === undefined || grid.items.length === 0) return;
    e.preventDefault();
    const on = e.target === grid.root ? active : Math.max(0, grid.indexOf(e.target));
    let next = Math.min(Math.max(0, on + step), grid.items.length - 1);
    if (Math.abs(step) === grid.columns && (on + step < 0 || on + step >= grid.items.length)) next = on;
    active = next;
    const el = grid.reveal(next);
    (focusable ? el?.querySelector(focusable) : el)?.focus({ preventScroll: true });
  }, { signal });
}

