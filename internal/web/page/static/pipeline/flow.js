// The drawings of the flow: figures at their places, stations' states, and motion where
// something moves.

import { donePerMinute, failedPerMinute, live } from './state.js';
import { count, many, rate, time } from './words.js';

const ms = (n) => (n === null || n === undefined ? '–' : time(n / 1000));

// figures are the values of the drawings' {…}, by name.
export function figures(doc, flow) {
  const q = doc.queue ?? {};
  const apps = live(doc);
  const p = doc.latency?.count ? doc.latency : {};
  return {
    listeners: count(doc.listeners), p50: ms(p.p50Ms), p99: ms(p.p99Ms),
    arriving: rate(flow.arriving(doc)),
    waiting: count(q.waiting === undefined ? null : q.waiting + (q.delayed ?? 0)),
    inFlight: count(q.inFlight), oldest: time(q.oldestAgeSeconds), deadLetters: count(q.deadLetters),
    workers: count(q.workers), processes: doc.apps ? many(apps.length, 'process', 'processes') : '– processes',
    inWork: doc.apps ? count(apps.reduce((n, a) => n + (a.inWork?.length ?? 0), 0)) : '–',
    taken: doc.apps ? rate(apps.reduce((n, a) => n + (a.receivedPerMinute ?? 0), 0)) : '–',
    done: rate(donePerMinute(doc)), failed: rate(failedPerMinute(doc)),
    live: doc.live ? 'hears of results' : 'hears of no results',
  };
}

// states are those of stations that are not as they should be.
function states(doc) {
  const apps = live(doc);
  return {
    workers: doc.apps && !apps.length ? 'bad' : apps.length && !apps.some((a) => a.ready && !a.draining) ? 'wait' : '',
    queue: doc.apps && !apps.length && doc.queue?.waiting ? 'wait' : '',
    deadletters: doc.queue?.deadLetters ? 'bad' : '',
    web: doc.live ? '' : 'wait',
  };
}

// pace is how fast an arrow runs: not at all, and three speeds.
const pace = (perMinute) => (!perMinute ? 0 : perMinute < 30 ? 1 : perMinute < 300 ? 2 : 3);

export class Drawing {
  constructor(root) {
    this.figures = [...root.querySelectorAll('[data-figure]')];
    this.stations = [...root.querySelectorAll('[data-station]')];
    this.arrows = [...root.querySelectorAll('[data-carries]')];
  }

  show(doc, flow, coupled) {
    const values = figures(doc, flow);
    for (const f of this.figures) {
      const value = values[f.dataset.figure] ?? '–';
      if (f.textContent !== value) f.textContent = value;
    }
    const state = coupled ? {} : states(doc);
    for (const s of this.stations) s.dataset.state = state[s.dataset.station] ?? '';
    this.run(coupled ? {} : flow.moving(doc));
  }

  // run sets the arrows in motion, and stops those along which nothing comes any more.
  run(moving) {
    for (const a of this.arrows) {
      const p = String(pace(moving[a.dataset.carries]));
      if (a.dataset.pace !== p) a.dataset.pace = p;
    }
  }
}
