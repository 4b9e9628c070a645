// What the figures mean. Pure: an answer of GET /api/pipeline goes in, with what came before.
// internal/web/figures.go has the same for pages without scripts.

import { about, count, many, rate, time } from './words.js';

export const live = (doc) => (doc.apps ?? []).filter((a) => !a.stale);
const sum = (list, of) => list.reduce((n, x) => n + (of(x) ?? 0), 0);

// undone is how many images are not finished: they wait, are in work, or are yet to be received.
export const undone = (doc) => (doc.queue ? doc.queue.waiting + doc.queue.inFlight + (doc.queue.delayed ?? 0) : 0);

const minute = (doc) => (doc.rates ?? []).find((r) => r.seconds <= 60) ?? doc.rates?.[0];
const perMinute = (r, n) => (r ? n * 60 / r.seconds : null);
export const donePerMinute = (doc) => perMinute(minute(doc), minute(doc)?.done);
export const failedPerMinute = (doc) => perMinute(minute(doc), minute(doc)?.failed);

const kept = 12000; // ms of answers that a Flow keeps: what came before a burst must not hide that it is worked off

// Flow keeps the answers of the last seconds and derives from them what no single one tells.
export class Flow {
  constructor() { this.seen = []; }

  add(doc, at) {
    this.seen.push({ at, undone: undone(doc), idle: doc.queue ? doc.queue.waiting > 0 && doc.queue.inFlight === 0 : false, dead: doc.queue?.deadLetters ?? 0, worked: worked(doc) });
    while (this.seen.length > 2 && at - this.seen[0].at > kept) this.seen.shift();
  }

  // stuck reports whether images have been waiting for some seconds and nobody took any: a
  // process that was killed says nothing of it, and is missed only after some time.
  stuck() {
    const last = this.seen.at(-1);
    const before = this.seen.findLastIndex((s) => last.at - s.at >= 5000);
    return before >= 0 && this.seen[before].undone <= last.undone && this.seen.slice(before).every((s) => s.idle);
  }

  // drain is how many images fewer are undone per minute, by the line that fits best; negative
  // while more arrive than leave, null while that cannot be told. Where they have only become
  // fewer for some seconds, the burst before that does not count.
  drain() {
    if (this.seen.length < 3) return null;
    let from = this.seen.length - 1;
    while (from > 0 && this.seen[from - 1].undone >= this.seen[from].undone) from--;
    const falling = this.seen.slice(from);
    const told = falling.length >= 3 && falling.at(-1).at - falling[0].at >= 4000;
    if (!told && from > 0 && falling[0].undone - this.seen[from - 1].undone > Math.max(10, falling[0].undone / 5)) return null;
    const all = told ? falling : this.seen;
    if (all.length < 3 || all.at(-1).at - all[0].at < 4000) return null;
    const mean = (of) => sum(all, of) / all.length;
    const [t, u] = [mean((s) => s.at), mean((s) => s.undone)];
    return -60000 * sum(all, (s) => (s.at - t) * (s.undone - u)) / sum(all, (s) => (s.at - t) ** 2);
  }

  // rates are images per minute over the last ms: how many were finished, came into the queue,
  // and became dead letters. Null while that cannot be told.
  rates(doc, over) {
    const last = this.seen.at(-1);
    if (!last) return null;
    const recent = this.seen.filter((s) => last.at - s.at <= over);
    const span = (last.at - recent[0].at) / 60000;
    if (!span) return null;
    // Processes tell how many they have finished; where one came or went, results are counted.
    const told = recent.find((s) => s.worked !== null);
    const known = told && told !== last && last.worked !== null && last.worked >= told.worked;
    const finished = known ? (last.worked - told.worked) * 60000 / (last.at - told.at) : (donePerMinute(doc) ?? 0) + (failedPerMinute(doc) ?? 0);
    const dead = Math.max(0, last.dead - recent[0].dead) / span;
    return { finished, dead, arriving: Math.max(0, (last.undone - recent[0].undone) / span + finished + dead) };
  }

  arriving(doc) { return this.seen.length > 1 && this.seen.at(-1).at - this.seen[0].at >= 4000 ? this.rates(doc, kept)?.arriving ?? null : null; }

  // moving says what runs along the arrows just now: nothing runs for longer than some seconds
  // after the last image.
  moving(doc) {
    const r = this.rates(doc, 9000);
    if (!r) return {};
    return { ...r, taken: live(doc).length && (doc.queue?.inFlight || r.finished) ? Math.max(r.finished, 1) : 0 };
  }
}

// worked counts all images that the app processes there are have finished. Null: nobody says.
function worked(doc) {
  const apps = doc.apps ?? [];
  return apps.length ? sum(apps, (a) => (a.done ?? 0) + (a.failed ?? 0)) : null;
}

// verdict is what a person must know first: {kind, title, text, command}. kind is "bad"
// (somebody has to act), "wait" (it goes on by itself), or "" (all is well).
export function verdict(doc, flow) {
  if (!doc.queue) return { kind: 'wait', title: 'The queue is not known here.', text: 'This web tier was not told of a queue: only its own figures are shown.' };
  const left = undone(doc);
  const waiting = left === 0 ? 'No image waits yet' : left === 1 ? '1 image waits safely in the queue' : `${count(left)} images wait safely in the queue`;
  const apps = live(doc);
  if (doc.apps && apps.length === 0) {
    return { kind: 'bad', title: 'No app tier is at work.', text: `${waiting}; uploads go on as ever and nothing is lost. Start an app tier, on this machine or another:`, command: 'tintype app' };
  }
  if (apps.length && apps.every((a) => a.draining)) {
    return { kind: 'bad', title: 'The app tier is stopping.', text: `It finishes what it has begun and takes nothing new. ${waiting}. Start another one:`, command: 'tintype app' };
  }
  if (apps.length && !apps.some((a) => a.ready && !a.draining)) {
    const reason = apps.find((a) => a.reason)?.reason;
    return { kind: 'bad', title: 'The app tier is not ready.', text: reason ? `${waiting}. It says: ${reason}` : `${waiting}. Its log says why.` };
  }
  if (apps.length && flow.stuck()) {
    const heard = Math.min(...apps.map((a) => (Date.parse(doc.time) - Date.parse(a.seen)) / 1000));
    return { kind: 'bad', title: 'Nobody takes images from the queue.', text: `${waiting}. The app tier was last heard of ${time(heard)} ago: where its process was killed, start another one:`, command: 'tintype app' };
  }
  const workers = doc.queue.workers ?? sum(apps, (a) => a.workers);
  if (doc.apps && left > Math.max(10, workers * 4)) return backlog(doc, flow, left, apps);
  return none;
}

export const none = { kind: '', title: '', text: '' };

function backlog(doc, flow, left, apps) {
  const drain = flow.drain();
  const title = `${many(left, 'image')} to go.`;
  const rates = flow.rates(doc, 9000);
  if (rates?.arriving > 0 && !rates.finished) return { kind: 'wait', title, text: 'They have just come in.' };
  if (drain === null) return { kind: 'wait', title, text: 'The app tier is at work.' };
  if (drain > 0.02 * left || drain > 5) {
    return { kind: 'wait', title: `Catching up: ${title}`, text: `The backlog shrinks by ${rate(drain)} a minute: done in ${about(left / drain * 60)}.` };
  }
  if (rates?.finished > 0) {
    return {
      kind: 'wait', title, command: 'tintype app',
      text: `Images come in as fast as ${many(apps.length, 'app process', 'app processes')} can work them off. They are safe; more processes work them off sooner:`,
    };
  }
  if (apps.some((a) => a.inWork?.some((w) => w.attempt > 1))) {
    return { kind: 'wait', title, text: 'None was finished in the last seconds, and some are tried again: the app tier’s log says why. What fails five times becomes a dead letter, and is not lost.' };
  }
  return { kind: 'wait', title, text: 'None was finished in the last seconds. Images whose worker died come back when their visibility timeout ends.' };
}
