// Puts the pages together. Each is served whole by the server and has a module
// pages/<name>.js with mount(main, { signal }): what it starts ends with the signal. Going
// from one page to another exchanges <main> and leaves everything else standing, so that
// uploads go on; where that does not work the browser goes there itself.

import { alerts } from './lib/alerts.js';
import * as live from './lib/live.js';
import { dropAnywhere } from './lib/drop.js';
import { tray } from './lib/tray.js';
import { themeButton } from './lib/theme.js';
import { $, $$, setText } from './lib/dom.js';

const root = document.documentElement;
const modules = {
  images: () => import('./pages/images.js'),
  image: () => import('./pages/image.js'),
  pipeline: () => import('./pages/pipeline.js'),
  deadletters: () => import('./pages/deadletters.js'),
};
let mounted = new AbortController();
let visit = 0;

async function mount(state) {
  mounted.abort();
  mounted = new AbortController();
  const { signal } = mounted;
  const main = $('#main');
  const page = await modules[main.dataset.page]();
  if (!signal.aborted) page.mount(main, { signal, go, state });
}

// go shows another page of this server.
export async function go(to, { push = true, state = null } = {}) {
  const mine = ++visit;
  const url = new URL(to, location.href);
  let next;
  try {
    const response = await fetch(url, { headers: { Accept: 'text/html' } });
    next = new DOMParser().parseFromString(await response.text(), 'text/html');
  } catch { /* the browser's own page says it better */ }
  if (mine !== visit) return;
  const main = next?.querySelector('#main');
  // Another release of the page has other modules: it must be loaded whole.
  if (!main || next.querySelector('script[type=module]')?.getAttribute('src') !== $('script[type=module]').getAttribute('src')) {
    location.assign(url);
    return;
  }
  if (push) {
    history.replaceState({ ...history.state, y: scrollY }, '');
    history.pushState({}, '', url);
  }
  document.title = next.title;
  root.dataset.page = main.dataset.page;
  for (const a of $$('.sections a')) {
    if (a.dataset.section === main.dataset.page) a.setAttribute('aria-current', 'page'); else a.removeAttribute('aria-current');
  }
  $('#main').replaceWith(document.adoptNode(main));
  scrollTo(0, 0);
  main.focus({ preventScroll: true }); // screen readers go on there
  await mount(state);
}

const internal = /^\/($|images\/[^/]+$|pipeline$|deadletters$)/;

document.addEventListener('click', (e) => {
  const a = e.target.closest?.('a[href]');
  if (!a || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey || a.hasAttribute('target') || a.hasAttribute('download')) return;
  const url = new URL(a.getAttribute('href'), location.href); // links in drawings have no address of their own
  if (url.origin !== location.origin || !internal.test(url.pathname) || (url.pathname === location.pathname && url.hash)) return;
  e.preventDefault();
  go(url);
});
history.scrollRestoration = 'manual';
addEventListener('popstate', (e) => {
  go(location.href, { push: false, state: e.state });
});

themeButton($('#theme'));
if (root.dataset.mode !== 'coupled') alerts($('.sections'));
tray($('#tray'));
dropAnywhere(async (files) => {
  if ($('#main').dataset.page !== 'images') await go('/');
  const { stage } = await import('./images/composer.js');
  stage(files);
});
live.on('state', (state) => {
  $('#live').dataset.state = state;
  setText($('.live-text'), state === 'live' ? 'live' : 'reconnecting…');
});
live.start();
mount(history.state);
