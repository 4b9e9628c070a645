// Keeps a page up to date: by server-sent events, and where there are none by loading it again.
import { morph } from './morph.js';

const pause = 3000; // between two loads, ms

export function follow(live) {
  let source, timer;

  const show = (html) => {
    // The markup is our own server's, all values in it escaped; a document made so runs no scripts,
    // and the page's policy allows none but its own files.
    const next = new DOMParser().parseFromString(html, 'text/html').body;
    for (const place of live.querySelectorAll('.fresh')) place.classList.remove('fresh');
    morph(live, next);
    state('on');
  };

  const state = (name) => {
    const pulse = live.querySelector('#pulse');
    if (!pulse) return;
    pulse.className = `dot ${name}`;
    pulse.parentElement.title = name === 'lost' ? 'The endpoint does not answer' : 'Stop updating this page';
  };

  const poll = async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('#live');
      if (page) show(page.innerHTML);
    } catch {
      state('lost');
    }
    timer = setTimeout(poll, pause);
  };

  const start = () => {
    stop();
    source = new EventSource(location.href);
    source.addEventListener('page', (event) => show(JSON.parse(event.data)));
    source.addEventListener('error', () => {
      state('lost');
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(poll, pause); // refused: it will not try again
    });
  };

  const stop = () => {
    clearTimeout(timer);
    source?.close();
  };

  // A page that nobody sees takes none of the few connections that a browser has for a server.
  document.addEventListener('visibilitychange', () => (document.hidden ? stop() : start()));
  addEventListener('pagehide', stop);
  addEventListener('pageshow', (event) => { if (event.persisted) start(); });
  if (!document.hidden) start();
}
