// The stream of server-sent events. The browser reconnects by itself and says with
// Last-Event-ID what it saw last; where it gives up (an HTTP error), we start afresh.

const longest = 30000; // ms between tries

export function listen({ onImage, onDeleted, onReload, onState }) {
  let wait = 1000;
  const open = () => {
    const source = new EventSource('/api/events');
    source.addEventListener('open', () => { wait = 1000; onState('live'); });
    source.addEventListener('ready', onReload);
    source.addEventListener('resync', onReload);
    source.addEventListener('image', (e) => onImage(JSON.parse(e.data)));
    source.addEventListener('deleted', (e) => onDeleted(JSON.parse(e.data).id));
    source.addEventListener('error', () => {
      onState('away');
      if (source.readyState !== EventSource.CLOSED) return;
      source.close();
      setTimeout(open, wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, longest);
    });
    addEventListener('pagehide', () => source.close(), { once: true });
  };
  open();
  // A page that comes back from the browser's cache has no stream any more.
  addEventListener('pageshow', (e) => { if (e.persisted) { onReload(); open(); } });
}
