// The stream of server-sent events, shared by all pages. The browser reconnects by itself and
// says with Last-Event-ID what it saw last; where it gives up (an HTTP error, a sleep that it
// did not notice), we start afresh and everything that is shown is loaded again.

const longest = 30000; // ms between tries
const silence = 45000; // ms without a word, heartbeats not counted, after which a page that comes back asks anew

const target = new EventTarget();
let source = null;
let wait = 1000;
let timer = 0;
let heard = 0;
let state = 'connecting';

const tell = (type, detail) => target.dispatchEvent(new CustomEvent(type, { detail }));

function become(next) {
  if (state === next) return;
  state = next;
  tell('state', state);
}

function open() {
  clearTimeout(timer);
  source?.close();
  source = new EventSource('/api/events');
  const mine = source;
  const on = (type, f) => mine.addEventListener(type, (e) => { heard = Date.now(); f(e); });
  on('open', () => { wait = 1000; become('live'); });
  on('ready', () => tell('reload'));
  on('resync', () => tell('reload'));
  on('image', (e) => tell('image', JSON.parse(e.data)));
  on('deleted', (e) => tell('deleted', JSON.parse(e.data).id));
  mine.addEventListener('error', () => {
    if (mine !== source) return;
    become('away');
    if (mine.readyState === EventSource.CLOSED) refused();
  });
}

// refused finds out whether the stream was, because the session has run out: then the server
// shows where to sign in, and the way back here.
async function refused() {
  again();
  try {
    const response = await fetch('/api/config');
    if (response.status === 401) location.reload();
  } catch { /* the server is away */ }
}

function again() {
  source?.close();
  clearTimeout(timer);
  timer = setTimeout(open, wait * (0.75 + Math.random() / 2));
  wait = Math.min(wait * 2, longest);
}

// start opens the stream, once.
export function start() {
  open();
  addEventListener('pagehide', () => source?.close());
  // A page that comes back from the browser's cache has no stream any more.
  addEventListener('pageshow', (e) => { if (e.persisted) open(); });
  addEventListener('online', () => { wait = 1000; open(); });
  addEventListener('offline', () => become('away'));
  // After a sleep a stream may look open and be dead.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && Date.now() - heard > silence) open();
  });
}

// on calls f with each event of a type until signal is aborted: "image" (a document),
// "deleted" (an id), "reload" (load again what is shown), "state" ("live", "away",
// "connecting").
export function on(type, f, signal) {
  target.addEventListener(type, (e) => f(e.detail), { signal });
}

export const current = () => state;
