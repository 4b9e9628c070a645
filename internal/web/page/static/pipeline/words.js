// Figures in words. internal/web/figures.go has the same for pages without scripts.

const known = (x) => x !== null && x !== undefined && Number.isFinite(Number(x));

const tenth = (n) => String(Math.round(n * 10) / 10);

// count is a whole number, in groups of three digits.
export const count = (n) => (known(n) ? Math.round(n).toLocaleString('en') : '–');

// rate is a number per minute: exact to a tenth where that says something.
export const rate = (n) => (known(n) ? (n > 0 && n < 9.95 ? tenth(n) : count(n)) : '–');

// time is a duration in seconds.
export function time(seconds) {
  if (!known(seconds)) return '–';
  const s = Math.max(0, Number(seconds));
  if (s === 0) return '0 s';
  if (s < 0.9995) return `${Math.round(s * 1000)} ms`;
  if (s < 9.95) return `${tenth(s)} s`;
  if (s < 99.5) return `${Math.round(s)} s`;
  if (s < 5970) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

// about is a duration for an estimate: "less than a minute", "about 3 min".
export const about = (seconds) => (seconds < 55 ? 'less than a minute' : `about ${time(seconds)}`);

// many is a count with its noun.
export const many = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;

// clock is a time of day.
export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
