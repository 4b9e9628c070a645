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

// Flow keeps the answers of the last twenty seconds and derives from them what no single one tells.
export class Flow {
  constructor() { this.seen = []; }

  add(doc, at) {
    this.seen.push({ at, undone: undone(doc), idle: doc.queue ? doc.queue.waiting > 0 && doc.queue.inFlight === 0 : false, dead: doc.queue?.deadLetters ?? 0, worked: worked(doc) });
    while (this.seen.length > 2 && at - this.seen[1].at > 20000) this.seen.shift();
  }

  // stuck reports whether images have been waiting for some seconds and nobody took any: a
  // process that was killed says nothing of it, and is missed only after some time.
  stuck() {
    const last = this.seen.at(-1);
    const before = this.seen.findLastIndex((s) => last.at - s.at >= 5000);
    return before >= 0 && this.seen[before].undone <= last.undone && this.seen.slice(before).every((s) => s.idle);
  }

  // drain is how many images fewer are undone per minute; negative while more arrive than leave.
  drain() {
    const [first, last] = [this.seen[0], this.seen.at(-1)];
    if (!first || last.at - first.at < 4000) return null;
    return (first.undone - last.undone) * 60000 / (last.at - first.at);
  }

  // arriving is how many images come in per minute: those finished, and those that made the
  // backlog grow.
  arriving(doc) {
    const drain = this.drain();
    const finished = donePerMinute(doc);
    if (drain === null || finished === null) return null;
    const first = this.seen[0];
    const last = this.seen.at(-1);
    const span = (last.at - first.at) / 60000;
    const out = last.worked !== null && first.worked !== null && last.worked >= first.worked
      ? (last.worked - first.worked) / span : finished + (failedPerMinute(doc) ?? 0);
    return Math.max(0, out - drain + (last.dead - first.dead) / span);
  }

  // moving says what runs along the arrows just now: nothing runs for longer than some seconds
  // after the last image.
  moving(doc) {
    const last = this.seen.at(-1);
    const recent = this.seen.filter((s) => last.at - s.at <= 9000);
    const before = recent[0];
    const span = (last.at - before.at) / 60000;
    if (!span) return {};
    const left = last.worked !== null && before.worked !== null ? Math.max(0, last.worked - before.worked) / span : (donePerMinute(doc) ?? 0);
    const grew = (last.undone - before.undone) / span;
    const dead = Math.max(0, last.dead - before.dead) / span;
    return {
      arriving: Math.max(0, grew + left + dead),
      taken: live(doc).length && (doc.queue?.inFlight || left) ? Math.max(left, 1) : 0,
      finished: left, dead,
    };
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
  if (drain === null) return { kind: 'wait', title, text: 'The app tier is at work.' };
  if (drain > 0.02 * left || drain > 5) {
    return { kind: 'wait', title: `Catching up: ${title}`, text: `The backlog shrinks by ${rate(drain)} a minute: done in ${about(left / drain * 60)}.`, eta: left / drain * 60 };
  }
  if ((flow.moving(doc).finished ?? 0) > 0) {
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
